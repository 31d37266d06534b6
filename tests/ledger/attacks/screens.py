"""Attacks through the screens: (what is tried, where, the request)."""

from django.urls import reverse

from apps.ledger.models import Contact, JournalEntry, TaxCode
from apps.profiles.roles import Role
from tests.factories import make_posted, make_staff
from tests.ledger.attacks.corrections import mirror
from tests.ledger.attacks.world import SALE, draft, in_state
from tests.ledger.typed_entries import COLUMNS, page, typed

BANK, SALES = ("1010", "", "50.00"), ("4000", "", "", "50.00")


class Screen:
    """The back office in a browser, before somebody who may do everything for ACORN, or for everybody."""

    def __init__(self, world, http) -> None:
        self.w, self.http = world, http
        self.as_owner()

    def as_owner(self):
        self.http.force_login(self.w.owner)
        return self

    def as_manager(self):
        """Of ACORN alone: BLUEBELL does not exist for them."""
        self.http.force_login(make_staff(self.w.client, Role.MANAGER))
        return self

    def enter(self, *rows, at=None, **facts):
        """Type an entry with rows of (code, text, debit, credit) and post it."""
        named = [row if isinstance(row, dict) else dict(zip(COLUMNS, row, strict=False)) for row in rows]
        of_code = [{**row, "account": self.w.accounts.get(row["account"], row["account"])} for row in named]
        return self.http.post(at or page(self.w.client), typed(*of_code, **{"action": "post", **facts}))

    def dialog(self, name, /, *arguments, **data):
        return self.http.post(page(self.w.client, name, *arguments), data)

    def bulk(self, *entries, **more):
        sent = {"action": "post_selected", "_selected_action": [entry.pk for entry in entries], **more}
        return self.http.post(reverse("admin:ledger_journalentry_changelist"), {**sent, "confirmed": "yes"})

    def change(self, record, **typed_over):
        """Open the form of a record, type over it, and save."""
        address = reverse(f"admin:{record._meta.label_lower.replace('.', '_')}_change", args=[record.pk])
        return self.http.post(address, {**filled(self.http.get(address)), **typed_over})

    def delete(self, record):
        name = record._meta.label_lower.replace(".", "_")
        return self.http.post(reverse(f"admin:{name}_delete", args=[record.pk]), {"post": "yes"})


def filled(answer):
    """What a browser would send of a form as it is shown."""
    sent = values(answer.context["adminform"].form)
    for inline in answer.context["inline_admin_formsets"]:
        for form in [inline.formset.management_form, *inline.formset.forms]:
            sent |= values(form)
    return sent


def values(form):
    found = {field.html_name: field.value() for field in form}
    return {name: value for name, value in found.items() if value is not None and value is not False}


def two_rates(s):
    code = s.w.mine[TaxCode]
    rate = code.rates.get()
    return s.change(
        code,
        **{
            "rates-TOTAL_FORMS": "2",
            "rates-0-id": rate.pk,
            "rates-0-tax_code": code.pk,
            "rates-0-valid_from": "2026-01-01",
            "rates-0-rate": "20",
            "rates-1-valid_from": "2026-01-01",
            "rates-1-rate": "19",
        },
    )


def into_a_month_that_is(state):
    return lambda s: in_state(s.w, state, s.w.periods[0]) or s.enter(BANK, SALES)


def reopen(s, **data):
    in_state(s.w, "soft_closed", s.w.periods[0])
    return s.dialog("period_reopen", **{"from": s.w.periods[0].pk, "period": s.w.periods[0].pk, **data})


def their_entry(w):
    return w.their[JournalEntry]


def recode_twice(s):
    line = s.w.recoded.lines.get(account=s.w.accounts["6100"])
    account = s.w.accounts["4000"].pk
    return s.dialog("entry_recode", s.w.recoded.pk, line.pk, account=account, reason="Once more")


FORM, LINES, DIALOG, BULK = "entry form", "lines of the entry form", "dialog", "bulk action"
ELSEWHERE = "page of another client"
SCREENS = [
    ("An entry out of balance is posted", FORM, lambda s: s.enter(BANK, ("4000", "", "", "49.99"))),
    ("An entry without lines is posted", FORM, lambda s: s.enter()),
    ("An entry with one line is posted", FORM, lambda s: s.enter(BANK)),
    ("A heading is posted to", LINES, lambda s: s.enter(("9000", "", "50"), SALES)),
    ("An inactive account is posted to", LINES, lambda s: s.enter(("9100", "", "50"), SALES)),
    (
        "An account of another client is posted to",
        LINES,
        lambda s: s.enter((s.w.theirs["1010"].pk, "", "50"), SALES),
    ),
    ("An entry is posted on a day without a period", FORM, lambda s: s.enter(BANK, SALES, date="2030-01-15")),
    (
        "An entry is posted into a soft-closed month without a reason",
        FORM,
        into_a_month_that_is("soft_closed"),
    ),
    ("An entry is posted into a locked month", FORM, into_a_month_that_is("locked")),
    (
        "A second opening entry is posted",
        FORM,
        lambda s: make_posted(s.w.client, *SALE, kind="opening") and s.enter(BANK, SALES, kind="opening"),
    ),
    ("An entry of a kind that only the software makes", FORM, lambda s: s.enter(BANK, SALES, kind="closing")),
    ("An amount with three decimals", LINES, lambda s: s.enter(("1010", "", "1.234"), SALES)),
    ("An amount that is no number", LINES, lambda s: s.enter(("1010", "", "NaN"), SALES)),
    ("An infinite amount", LINES, lambda s: s.enter(("1010", "", "Infinity"), SALES)),
    ("An amount of 10^20", LINES, lambda s: s.enter(("1010", "", "1" + "0" * 20), SALES)),
    ("An amount of zero", LINES, lambda s: s.enter(("1010", "", "0"), SALES)),
    ("A debit and a credit in one line", LINES, lambda s: s.enter(("1010", "", "50", "50"), SALES)),
    (
        "The client's own currency as a foreign one",
        LINES,
        lambda s: s.enter(
            {"account": "1010", "debit": "50", "currency": "USD", "foreign_amount": "50"}, SALES
        ),
    ),
    (
        "No foreign amount on an account kept in euros",
        LINES,
        lambda s: s.enter(("1090", "", "50"), SALES),
    ),
    ("A memo of 5 MB", LINES, lambda s: s.enter(("1010", "", "50", "", "x" * 5_000_000), SALES)),
    (
        "A posted entry is typed over",
        FORM,
        lambda s: s.enter(BANK, SALES, at=page(s.w.client, "entry", s.w.posted.pk)),
    ),
    (
        "An entry of another client is typed over",
        ELSEWHERE,
        lambda s: s.enter(BANK, SALES, at=page(s.w.client, "entry", their_entry(s.w).pk)),
    ),
    (
        "An entry is typed into another client's books",
        ELSEWHERE,
        lambda s: s.as_manager().enter(BANK, SALES, at=page(s.w.other)),
    ),
    ("A posted entry is deleted", DIALOG, lambda s: s.dialog("entry_delete", s.w.posted.pk)),
    (
        "An entry is reversed twice",
        DIALOG,
        lambda s: s.dialog("entry_reverse", s.w.reversed.pk, date="2026-02-01", reason="Once more"),
    ),
    (
        "A reversal is dated before its entry",
        DIALOG,
        lambda s: s.dialog("entry_reverse", s.w.posted.pk, date="2026-01-14", reason="Wrong"),
    ),
    (
        "An entry is reversed without a reason",
        DIALOG,
        lambda s: s.dialog("entry_reverse", s.w.posted.pk, date="2026-01-15"),
    ),
    (
        "An entry is reversed while a line of it is recoded",
        DIALOG,
        lambda s: s.dialog("entry_reverse", s.w.recoded.pk, date="2026-01-15", reason="Wrong"),
    ),
    ("A line is recoded twice", DIALOG, recode_twice),
    (
        "A line is recoded to an account of another client",
        DIALOG,
        lambda s: s.dialog(
            "entry_recode", s.w.posted.pk, s.w.line.pk, account=s.w.theirs["6200"].pk, reason="x"
        ),
    ),
    (
        "A line of another entry is recoded",
        DIALOG,
        lambda s: s.dialog(
            "entry_recode", s.w.recoded.pk, s.w.line.pk, account=s.w.accounts["6200"].pk, reason="x"
        ),
    ),
    (
        "A draft out of balance is posted with others",
        BULK,
        lambda s: s.bulk(draft(s.w, ("1010", "50.00"), ("4000", "-49.99"))),
    ),
    (
        "A reversal that mirrors nothing is posted with others",
        BULK,
        lambda s: s.bulk(mirror(s.w, s.w.posted, lines=[("6100", "-79"), ("1010", "79")])),
    ),
    ("A posted entry is posted again", BULK, lambda s: s.bulk(s.w.posted)),
    ("A draft of another client is posted", BULK, lambda s: s.as_manager().bulk(their_entry(s.w))),
    ("A closed month is reopened without a reason", DIALOG, lambda s: reopen(s, reason="")),
    (
        "A fiscal year with entries is removed",
        DIALOG,
        lambda s: s.dialog("year_remove", s.w.year.pk),
    ),
    (
        "An account is put under itself",
        "account form",
        lambda s: s.change(s.w.accounts["6100"], parent=s.w.accounts["6100"].pk),
    ),
    (
        "An account is put under one of another client",
        "account form",
        lambda s: s.change(s.w.accounts["6100"], parent=s.w.theirs["6100"].pk),
    ),
    ("A used account is deleted", "account form", lambda s: s.delete(s.w.accounts["6100"])),
    ("A tax code gets two rates from one day on", "inline", two_rates),
    (
        "The base currency is changed after the first entry",
        "client form",
        lambda s: s.change(s.w.client, base_currency="EUR"),
    ),
    (
        "An account of another client is changed",
        ELSEWHERE,
        lambda s: s.as_manager().http.post(
            reverse("admin:ledger_account_change", args=[s.w.theirs["6100"].pk]), {"name": "Mine"}
        ),
    ),
    (
        "A contact of another client is deleted",
        ELSEWHERE,
        lambda s: s.as_manager().http.post(
            reverse("admin:ledger_contact_delete", args=[s.w.their[Contact].pk]), {"post": "yes"}
        ),
    ),
    (
        "An old version of an account is written back",
        "history form",
        lambda s: s.http.post(
            reverse(
                "admin:ledger_account_simple_history",
                args=[s.w.accounts["6100"].pk, s.w.accounts["6100"].history.first().pk],
            ),
            {"name": "Rewritten"},
        ),
    ),
    (
        "An old version of another client's account is written back",
        "history form",
        lambda s: s.as_manager().http.post(
            reverse(
                "admin:ledger_account_simple_history",
                args=[s.w.theirs["6100"].pk, s.w.theirs["6100"].history.first().pk],
            ),
            {"name": "Rewritten"},
        ),
    ),
]
