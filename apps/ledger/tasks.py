"""What the worker does for the books."""

import logging

from asgiref.sync import sync_to_async
from procrastinate.contrib.django import app

from apps.ledger.bulk_posting import post_drafts  # noqa: F401  (a task of its own)
from apps.ledger.journal_jobs import import_file, look_through_file  # noqa: F401
from apps.ledger.services.checking import check_all_books
from apps.ledger.services.imports import forget_old_uploads

logger = logging.getLogger(__name__)


@app.periodic(cron="41 2 * * *")
@app.task(queueing_lock="check_books")
async def check_books_nightly(timestamp: int) -> None:
    """Check everybody's books once a night; the start page shows what came of it."""
    check = await sync_to_async(check_all_books)()
    if not check.is_clean:
        logger.error("The books have failures, the first of them: %s", check.failures[0]["what"])


@app.periodic(cron="23 3 * * *")
@app.task(queueing_lock="forget_old_uploads")
async def forget_old_uploads_nightly(timestamp: int) -> None:
    """Forget files that were uploaded a month ago and never imported."""
    await sync_to_async(forget_old_uploads)()
