"""Attacks on reversals and recodings."""

from apps.ledger.services import reverse_entry
from tests.factories import (
    make_posted,
)
from tests.ledger.attacks.world import SALE, draft, post
from tests.ledger.attempts import Change


def mirror(w, original, **facts):
    lines = [(one.account.code, -one.amount) for one in original.lines.order_by("line_number")]
    facts = {"kind": "reversal", "reverses": original, "day": str(original.date), **facts}
    return draft(w, *facts.pop("lines", lines), **facts)


def recoding(w, *lines, of=None, **facts):
    return draft(
        w,
        *(
            (code, amount, {"recodes": of or w.line} if takes_back else {})
            for code, amount, takes_back in lines
        ),
        **{"kind": "recode", **facts},
    )


CORRECTIONS = [
    (
        "A draft is reversed",
        "ledger_entry_reverses_posted",
        lambda w: post(mirror(w, draft(w, *SALE))),
    ),
    (
        "An entry of another client is reversed",
        "ledger_entry_reverses_same_client",
        lambda w: Change(w.draft, kind="reversal", reverses=make_posted(w.other, *SALE)),
    ),
    (
        "A reversal reverses nothing",
        "ledger_entry_reverses_posted",
        lambda w: post(draft(w, *SALE, kind="reversal")),
    ),
    (
        "A reversal has another kind",
        "ledger_entry_reverses_posted",
        lambda w: post(mirror(w, w.posted, kind="manual")),
    ),
    (
        "The reversal of an adjustment is none itself",
        "ledger_entry_reverses_posted",
        lambda w: post(mirror(w, make_posted(w.client, *SALE, kind="adjusting"))),
    ),
    (
        "A reversal is dated before its entry",
        "ledger_entry_reversal_date",
        lambda w: post(mirror(w, w.posted, day="2026-01-14")),
    ),
    (
        "A reversal has another amount",
        "ledger_entry_reversal_mirrors",
        lambda w: post(mirror(w, w.posted, lines=[("6100", "-79"), ("1010", "79")])),
    ),
    (
        "A reversal has another account",
        "ledger_entry_reversal_mirrors",
        lambda w: post(mirror(w, w.posted, lines=[("6200", "-80"), ("1010", "80")])),
    ),
    (
        "A reversal has a line more",
        "ledger_entry_reversal_mirrors",
        lambda w: post(mirror(w, w.posted, lines=[("6100", "-80"), ("1010", "79"), ("1010", "1")])),
    ),
    (
        "An entry is reversed twice",
        "ledger_journalentry_reverses_id_key",
        lambda w: Change(w.draft, reverses=w.reversed),
    ),
    (
        "An entry is reversed while a line of it is recoded",
        "ledger_entry_reversal_recoded",
        lambda w: post(mirror(w, w.recoded)),
    ),
    (
        "The reversal of a recoding is reversed",
        "ledger_entry_reversal_final",
        lambda w: post(mirror(w, reverse_entry(w.recoding, by=w.owner))),
    ),
    (
        "A recoding has a line that takes nothing back",
        "ledger_entry_recode_mirrors",
        lambda w: post(
            recoding(
                w, ("6100", "-80", True), ("6200", "80", False), ("6100", "-1", False), ("6200", "1", False)
            )
        ),
    ),
    (
        "A recoding takes back another amount",
        "ledger_entry_recode_mirrors",
        lambda w: post(recoding(w, ("6100", "-79", True), ("6200", "79", False))),
    ),
    (
        "A recoding takes back from another account",
        "ledger_entry_recode_mirrors",
        lambda w: post(recoding(w, ("6200", "-80", True), ("6100", "80", False))),
    ),
    (
        "A recoding has a line more",
        "ledger_entry_recode_mirrors",
        lambda w: post(recoding(w, ("6100", "-80", True), ("6200", "50", False), ("1010", "30", False))),
    ),
    (
        "A recoding is of a draft",
        "ledger_entry_recode_mirrors",
        lambda w: post(
            recoding(w, ("1010", "-50", True), ("6200", "50", False), of=w.draft.lines.get(amount=50))
        ),
    ),
    (
        "An ordinary entry takes posted lines back",
        "ledger_entry_recode_mirrors",
        lambda w: post(recoding(w, ("6100", "-80", True), ("6200", "80", False), kind="manual")),
    ),
    (
        "A recoding is dated before its line",
        "ledger_entry_recode_mirrors",
        lambda w: post(recoding(w, ("6100", "-80", True), ("6200", "80", False), day="2026-01-14")),
    ),
    (
        "A line is recoded twice",
        "ledger_entry_recoded_once",
        lambda w: post(
            recoding(
                w,
                ("6100", "-80", True),
                ("6200", "80", False),
                of=w.recoded.lines.get(account=w.accounts["6100"]),
            )
        ),
    ),
    (
        "A line of a reversed entry is recoded",
        "ledger_entry_recoded_once",
        lambda w: post(
            recoding(
                w,
                ("4000", "50", True),
                ("6200", "-50", False),
                of=w.reversed.lines.get(account=w.accounts["4000"]),
            )
        ),
    ),
]
