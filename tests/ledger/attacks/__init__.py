"""Every rule of the books, and a write that breaks it: (what is tried, the guard that refuses, the write)."""

from tests.ledger.attacks.amounts import AMOUNTS
from tests.ledger.attacks.chart import CHART
from tests.ledger.attacks.corrections import CORRECTIONS
from tests.ledger.attacks.periods import PERIODS
from tests.ledger.attacks.posting import FROZEN, POSTING
from tests.ledger.attacks.records import KEPT, REFERENCES

GROUPS = {
    "Posting": POSTING,
    "What is posted stays": FROZEN,
    "Amounts": AMOUNTS,
    "Corrections": CORRECTIONS,
    "Years and periods": PERIODS,
    "The chart and the client": CHART,
    "References into another client's books": REFERENCES,
    "Records of what happened": KEPT,
}
