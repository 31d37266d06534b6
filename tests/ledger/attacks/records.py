"""Attacks by references into other books, and on the records of what happened."""

from django.apps import apps

from apps.ledger.constraints import SameClient
from apps.ledger.models import (
    AccountTotal,
    BookCheck,
    ClosedPeriod,
    Contact,
    Period,
    TaxIdAccess,
)
from tests.ledger.attempts import Add, Change, Empty, Remove

EVERY = [model for model in apps.get_app_config("ledger").get_models() if "Historical" not in model.__name__]
MODELS = [model for model in EVERY if hasattr(model, "client")]


def named(model):
    name = str(model._meta.verbose_name)
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


#: Guards that refuse such a reference before its foreign key is asked.
EARLIER = {
    ("JournalEntry", "fiscal_year"): "ledger_entry_numbered_when_posted",
    ("JournalEntry", "period"): "ledger_entry_numbered_when_posted",
    ("Period", "fiscal_year"): "ledger_period_dates_fixed",
    ("ClosedPeriod", "period"): "ledger_closedperiod_append_only",
    ("Account", "closes_into"): (
        "ledger_account_closes_into_another",
        "ledger_account_closes_into_same_client",
    ),
}
REFERENCES = [
    (
        f"The {constraint.field} of {named(model)} is another client's",
        EARLIER.get((model.__name__, constraint.field), constraint.name),
        lambda w, model=model, constraint=constraint: Change(
            w.mine[model],
            **{constraint.field: w.their[model._meta.get_field(constraint.field).related_model]},
        ),
    )
    for model in MODELS
    for constraint in model._meta.constraints
    if isinstance(constraint, SameClient)
]
REFERENCES += [
    (
        f"{named(model).capitalize()} is moved to another client",
        {ClosedPeriod: "ledger_closedperiod_append_only", TaxIdAccess: "ledger_taxidaccess_append_only"}.get(
            model, "ledger_client_fixed"
        ),
        lambda w, model=model: Change(w.mine[model], client=w.other),
    )
    for model in MODELS
    if model is not AccountTotal
]
REFERENCES += [
    (
        "What a closing says is kept for another client's period",
        "ledger_closedperiod_period_same_client",
        lambda w: Add(
            ClosedPeriod(
                client=w.client,
                period=w.their[Period],
                state="locked",
                closed_by=w.owner,
                trial_balance=[],
                hash="0" * 64,
            )
        ),
    ),
    (
        "A posted line gets another client's contact",
        "ledger_line_contact_same_client",
        lambda w: Change(w.line, contact=w.their[Contact]),
    ),
]

RECORDS = [model.history.model for model in MODELS if hasattr(model, "history")]
RECORDS += [BookCheck, ClosedPeriod, TaxIdAccess]
REWRITTEN = {
    BookCheck: {"clients": 9},
    ClosedPeriod: {"reason": "x"},
    TaxIdAccess: {"contact_name": "x"},
}
KEPT = [
    *(
        (
            f"The record of {model._meta.verbose_name_plural} is rewritten",
            f"{model._meta.db_table}_append_only",
            lambda w, model=model: Change(
                model._base_manager.order_by("pk").last(),
                **REWRITTEN.get(model, {"history_change_reason": "x"}),
            ),
        )
        for model in RECORDS
    ),
    *(
        (
            f"The record of {model._meta.verbose_name_plural} is shortened",
            f"{model._meta.db_table}_append_only",
            lambda w, model=model: Remove(model._base_manager.order_by("pk").last()),
        )
        for model in RECORDS
    ),
    *(
        (
            f"The table of {model._meta.verbose_name_plural} is emptied",
            "emptied",
            lambda w, model=model: Empty(model._meta.db_table),
        )
        for model in dict.fromkeys([*EVERY, *RECORDS])
    ),
    *(
        (f"The table {table} is emptied", "emptied", lambda w, table=table: Empty(table))
        for table in ("profiles_client", "profiles_staffaccess", "core_user")
    ),
]
