"""Finding an account or a contact of a client by a few characters."""

import re

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Concat

from apps.ledger.models import Account, Contact
from apps.profiles.models import Client

MOST_FOUND = 20
LONGEST_TERM = 100


def find_accounts(client: Client, term: str) -> QuerySet[Account]:
    """
    Return the accounts of a client that can be posted to and that a few typed characters mean, best first.

    Each typed word is the beginning of the code, or of a word of the name. Accounts whose code begins
    with the whole term come first; without a term all come, by code.
    """
    term = " ".join(term[:LONGEST_TERM].split())
    accounts = Account.objects.filter(client=client, is_active=True, is_postable=True)
    for word in term.split():
        accounts = accounts.filter(Q(code__istartswith=word) | Q(name__iregex=_begins_a_word(word)))
    if not term:
        return accounts.order_by("code")
    rank = Case(
        When(code__iexact=term, then=Value(0)),
        When(code__istartswith=term, then=Value(1)),
        When(name__istartswith=term, then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    return accounts.order_by(rank, "code")


def meant_account(client: Client, text: str) -> Account | None:
    """
    Return the one account that typed text means, as in "1010", "1010 Checking" or "check"; else None.

    For a form that was sent before an account was picked from the list, or without a script. A code
    typed in full means its account even where that is a heading or inactive: what is wrong with it can
    then be said.
    """
    text = " ".join(text[: LONGEST_TERM * 3].split())
    labelled = Account.objects.filter(client=client).annotate(label=Concat("code", Value(" "), "name"))
    if exact := labelled.filter(Q(code__iexact=text) | Q(label__iexact=text)).order_by("pk").first():
        return exact
    found = list(find_accounts(client, text)[:2]) if text else []
    return found[0] if len(found) == 1 else None


def find_contacts(client: Client, term: str) -> QuerySet[Contact]:
    """Return the active contacts of a client with words that begin like the typed ones, by name."""
    contacts = Contact.objects.filter(client=client, is_active=True)
    for word in term[:LONGEST_TERM].split():
        contacts = contacts.filter(name__iregex=_begins_a_word(word))
    return contacts.order_by("name")


def meant_contact(client: Client, text: str) -> Contact | None:
    """Return the one contact that typed text means: its name, or the beginnings of its words."""
    text = " ".join(text[: LONGEST_TERM * 3].split())
    if exact := Contact.objects.filter(client=client, name__iexact=text).first():
        return exact
    found = list(find_contacts(client, text)[:2]) if text else []
    return found[0] if len(found) == 1 else None


def _begins_a_word(word: str) -> str:
    """Return the pattern of PostgreSQL for a word that begins like this one."""
    return (r"\m" if word[0].isalnum() else "") + re.sub(r"(\W)", r"\\\1", word)
