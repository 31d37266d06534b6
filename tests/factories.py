"""Plain functions that make records for tests."""

from datetime import date
from decimal import Decimal
from itertools import count

from apps.core.models import Job, SignIn, User, WrongPassword
from apps.ledger.models import Account
from apps.ledger.services import Line, draft_entry, open_fiscal_year, post_entry
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


CHART = {
    "1010": ("Checking", "asset", {"section": "bank"}),
    "2010": ("Accounts payable", "liability", {"section": "payable"}),
    "3000": ("Capital", "equity", {"role": "capital"}),
    "3900": ("Retained earnings", "equity", {"role": "retained_earnings"}),
    "4000": ("Sales", "income", {}),
    "6100": ("Rent", "expense", {}),
    "6200": ("Software", "expense", {}),
}


def make_account(client, code, kind="expense", name="", **facts):
    return Account.objects.create(
        client=client, code=code, name=name or f"Account {code}", kind=kind, **facts
    )


def make_year(client, start="2026-01-01", end="2026-12-31", by=None):
    return open_fiscal_year(
        client, start=date.fromisoformat(start), end=date.fromisoformat(end), by=by or make_owner()
    )


def make_books(client=None, start="2026-01-01", end="2026-12-31"):
    """A client with a small chart and a fiscal year; returns it and its accounts by code."""
    client = client or make_client()
    accounts = {
        code: make_account(client, code, kind, name, **facts) for code, (name, kind, facts) in CHART.items()
    }
    make_year(client, start, end)
    return client, accounts


def make_owner():
    return make_user(is_superuser=True)


def make_draft(client, *lines, day="2026-01-15", by=None, **facts):
    """A draft with lines such as ("1010", "50.00"); codes are looked up in the client's chart."""
    accounts = {account.code: account for account in client.accounts.all()}
    return draft_entry(
        client=client,
        by=by or make_owner(),
        date=date.fromisoformat(day),
        lines=[Line(account=accounts[code], amount=Decimal(amount)) for code, amount in lines],
        **facts,
    )


def make_posted(client, *lines, day="2026-01-15", by=None, **facts):
    by = by or make_owner()
    return post_entry(make_draft(client, *lines, day=day, by=by, **facts), by=by)


def _md5(text):
    import hashlib

    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
