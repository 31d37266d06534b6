"""The pause after too many wrong passwords ends when it was said to end, whoever keeps trying."""

from datetime import timedelta

import pytest
from django.db.models import F

from apps.core.models import WrongPassword
from tests.core.test_sign_in import sign_in
from tests.factories import make_user

pytestmark = pytest.mark.django_db

BROWSERS = ["the same browser", "another browser"]


@pytest.fixture
def paused(client, settings):
    make_user("vera")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in(client, password="wrong", HTTP_USER_AGENT=BROWSERS[0])
    return settings.AXES_COOLOFF_TIME


def let_pass(time):
    """Let all that happened so far be this much longer ago."""
    WrongPassword.objects.update(attempt_time=F("attempt_time") - time)


@pytest.mark.parametrize("browser", BROWSERS)
def test_wrong_passwords_during_the_pause_do_not_prolong_it(client, paused, browser):
    let_pass(paused - timedelta(minutes=1))
    before = list(WrongPassword.objects.values("pk", "attempt_time", "failures_since_start"))
    for _ in range(3):
        assert sign_in(client, password="wrong", HTTP_USER_AGENT=browser).status_code == 429
    assert sign_in(client).status_code == 429, "the pause is not over yet"
    assert list(WrongPassword.objects.values("pk", "attempt_time", "failures_since_start")) == before
    let_pass(timedelta(minutes=2))
    assert sign_in(client).status_code == 302


def test_after_the_pause_one_has_all_attempts_again(client, paused, settings):
    let_pass(paused + timedelta(minutes=1))
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        assert sign_in(client, password="wrong").status_code == 200
    assert sign_in(client).status_code == 302
