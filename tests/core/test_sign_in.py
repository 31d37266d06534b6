"""Signing in: throttled, with rules for passwords, sessions that end, and pages that load nothing foreign."""

import time

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import RequestFactory
from django.urls import reverse

from apps.core.middleware import POLICY, RENEW_AFTER, client_address
from apps.core.models import WrongPassword
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"


def sign_in(client, username="vera", password=PASSWORD, **extra):
    return client.post(LOGIN, {"username": username, "password": password}, **extra)


def test_the_root_leads_to_sign_in(client):
    assert client.get("/", follow=True).redirect_chain[-1][0].startswith(LOGIN)


def test_signing_in_leads_to_the_start_page(client):
    make_user("vera")
    assert sign_in(client).url == reverse("admin:index")


def test_too_many_wrong_passwords_pause_that_name_from_that_address(client, settings):
    make_user("vera")
    make_user("paul")
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        assert sign_in(client, password="wrong").status_code == 200
    locked = sign_in(client, password="wrong")
    assert locked.status_code == 429
    assert "Too many wrong passwords" in locked.content.decode()
    assert sign_in(client).status_code == 429, "not even with the right one"
    assert sign_in(client, REMOTE_ADDR="10.0.0.9").status_code == 302, "from elsewhere they may"
    assert sign_in(client, "paul").status_code == 302, "and colleagues may"


def test_lifting_the_pause_on_the_screen(client, settings):
    make_user("vera")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in(client, password="wrong")
    client.force_login(make_user("owner", is_superuser=True))
    page = reverse("admin:core_wrongpassword_delete", args=[WrongPassword.objects.get().pk])
    assert client.post(page, {"post": "yes"}).status_code == 302
    client.logout()
    assert sign_in(client).status_code == 302


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("203.0.113.7:5555", "203.0.113.7"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("unknown", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_the_address_is_always_one(settings, hop, address):
    settings.TRUSTED_PROXY = True
    request = RequestFactory().get("/", headers={"X-Forwarded-For": hop}, REMOTE_ADDR="10.0.0.1")
    assert client_address(request) == address


@pytest.mark.parametrize("trusted", [True, False])
def test_the_address_is_the_proxy_s_word_and_only_behind_a_proxy(settings, trusted):
    settings.TRUSTED_PROXY = trusted
    request = RequestFactory().get(
        "/", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.7"}, REMOTE_ADDR="10.0.0.1"
    )
    assert client_address(request) == ("203.0.113.7" if trusted else "10.0.0.1")


@pytest.mark.parametrize("password", ["short", "password1234", "123456789012345", "vera.lind-vera"])
def test_weak_passwords_are_refused(password):
    with pytest.raises(ValidationError):
        validate_password(password, make_user("vera.lind", first_name="Vera"))


def test_a_good_password_is_taken():
    validate_password("correct horse battery", make_user())


def test_a_deactivated_person_is_out_at_once(client):
    user = make_user()
    client.force_login(user)
    assert client.get(reverse("admin:index")).status_code == 200
    user.is_active = False
    user.save()
    assert client.get(reverse("admin:index")).status_code == 302


def test_a_session_is_renewed_while_at_work_but_not_at_every_request(client):
    client.force_login(make_user())
    client.get(reverse("admin:index"))
    first = client.session["renewed"]
    client.get(reverse("admin:index"))
    assert client.session["renewed"] == first
    session = client.session
    session["renewed"] = int(time.time()) - RENEW_AFTER - 1
    session.save()
    client.get(reverse("admin:index"))
    assert client.session["renewed"] >= first


def test_a_session_ends():
    assert django_settings.SESSION_COOKIE_AGE == 8 * 60 * 60


def test_every_page_forbids_foreign_content(client):
    assert client.get(LOGIN)["Content-Security-Policy"] == POLICY
    assert client.get("/nonsense/")["Content-Security-Policy"] == POLICY


def test_unknown_addresses_show_our_own_page(client):
    client.force_login(make_user())
    for address in ("/nonsense/", "/admin/nonsense/"):
        answer = client.get(address)
        assert answer.status_code == 404
        assert "This page does not exist" in answer.content.decode()


def test_what_one_may_not_do_shows_our_own_page(client):
    client.force_login(make_user())
    answer = client.get(reverse("admin:core_user_changelist"))
    assert answer.status_code == 403
    assert "You may not do this" in answer.content.decode()


def test_a_stale_form_shows_our_own_page():
    from django.test import Client

    answer = Client(enforce_csrf_checks=True).post(LOGIN, {"username": "vera"})
    assert answer.status_code == 403
    assert "This form was open too long" in answer.content.decode()
