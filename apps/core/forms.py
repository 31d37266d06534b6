from typing import Any

from django.core.validators import MaxLengthValidator
from unfold.forms import AuthenticationForm

from apps.core.models import User


class SignInForm(AuthenticationForm):
    """Unfold's form, that holds to the longest username; Django leaves that to browsers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        longest = User._meta.get_field("username").max_length
        self.fields["username"].validators.append(MaxLengthValidator(longest))
