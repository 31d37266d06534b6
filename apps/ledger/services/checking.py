"""Checking everybody's books, and keeping what came of it."""

import time
from dataclasses import asdict
from datetime import timedelta

from apps.ledger.checking import Progress, check_books
from apps.ledger.models import BookCheck
from apps.profiles.models import Client


def check_all_books(progress: Progress | None = None) -> BookCheck:
    """Check the books of every client and store the result, which the start page shows."""
    began = time.monotonic()
    clients = Client.objects.count()
    seen = 0

    def count(done: int, total: int) -> None:
        nonlocal seen
        seen = total
        if progress:
            progress(done, total)

    found = check_books(progress=count)
    return BookCheck.objects.create(
        duration=timedelta(seconds=time.monotonic() - began),
        clients=clients,
        lines=seen,
        failures=[
            {**asdict(failure), "date": failure.date and failure.date.isoformat()} for failure in found
        ],
    )
