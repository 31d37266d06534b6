"""What every question in a dialog shares: a form, the deed, its refusal, and the way back."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString

from apps.ledger.views.books import BooksView


class DialogView(BooksView):
    """
    A question with its consequence in a sentence and a button that names the deed.

    Opened over the page it belongs to, and a page of its own without a script. What is refused is said in
    it, with everything typed kept.
    """

    button: Any = ""
    consequence: Any = ""
    warning: Any = ""
    is_danger = False
    is_possible = True  # whether there is anything to do; without it there is no button
    http_method_names = ["get", "post"]

    @property
    def back(self) -> str:
        """Where Cancel leads."""
        raise NotImplementedError

    @property
    def leads_to(self) -> str:
        """Where the deed leads."""
        return self.back

    def make_form(self, data: Any = None) -> forms.Form:
        return forms.Form(data, use_required_attribute=False)

    def act(self, form: Any) -> str | SafeString:
        """Do it, and return what to say of it. Raises ValidationError."""
        raise NotImplementedError

    def refuse(self, form: forms.Form, error: ValidationError) -> None:
        form.add_error(None, error)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.show(self.make_form())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self.make_form(request.POST)
        if form.is_valid():
            try:
                said = self.act(form)
            except ValidationError as error:
                self.refuse(form, error)
            else:
                messages.success(request, said)
                if request.headers.get("HX-Request"):
                    return HttpResponse(headers={"HX-Redirect": self.leads_to})
                return redirect(self.leads_to)
        return self.show(form)

    def show(self, form: forms.Form) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form, dialog=self))
