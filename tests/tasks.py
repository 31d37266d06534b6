"""Tasks that only tests run: slow on purpose, and failing on purpose."""

import time

from django.core.exceptions import ValidationError

from apps.core.jobs import Progress, job_task


@job_task
def slow(progress: Progress, *, steps: int = 50) -> str:
    for number in range(steps):
        progress.step(number, of=steps, message=f"Step {number}")
        time.sleep(0.1)
    return "All done."


@job_task
def failing(progress: Progress, *, politely: bool) -> str:
    if politely:
        raise ValidationError("The file has no rows.")
    raise RuntimeError("secret detail")
