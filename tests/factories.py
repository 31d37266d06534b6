"""Plain functions that make records for tests."""

from itertools import count

from apps.core.models import Job, SignIn, User, WrongPassword
from apps.profiles.models import Client, LegalForm, StaffAccess
from apps.profiles.roles import Role

PASSWORD = "a-long-enough-passphrase"
_numbers = count(1)


def make_user(username="", **facts):
    user = User(username=username or f"person{next(_numbers)}", is_staff=True, **facts)
    # One fast hash for all: what it costs to check a password is not what these tests are about.
    user.password = "md5$salt$" + _md5(f"salt{PASSWORD}")
    user.save()
    return user


def make_client(code="", **facts):
    code = code or f"CLIENT-{next(_numbers)}"
    return Client.objects.create(
        **{"code": code, "name": f"{code.title()} Ltd", "legal_form": LegalForm.COMPANY, **facts}
    )


def make_staff(client, role, username=""):
    """A person with one role for one client."""
    user = make_user(username)
    give_access(user, client, role)
    return user


def give_access(user, client, role=Role.VIEWER):
    return StaffAccess.objects.create(user=user, client=client, role=role)


def make_job(user, client=None, title="Count sheep"):
    return Job.objects.create(title=title, asked_by=user, client_id=client and client.pk)


def make_sign_in(username="vera"):
    return SignIn.objects.create(username=username, ip_address="127.0.0.1")


def make_wrong_password(username="vera"):
    return WrongPassword.objects.create(
        username=username,
        ip_address="127.0.0.1",
        failures_since_start=2,
        user_agent=f"agent {next(_numbers)}",
    )


def _md5(text):
    import hashlib

    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
