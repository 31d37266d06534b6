"""The pages about backups: for whom they open, and what they ask before they do anything."""

import json

import pytest
from django.contrib.auth.models import Group
from django.core import signing
from django.urls import reverse

from apps.backups import runs, services
from apps.backups.catalogue import backups
from apps.backups.pages import PAGES
from apps.backups.views.backups import SALT
from apps.core.models import Job
from apps.profiles.groups import AUDITORS, BACKUPS
from apps.profiles.roles import Role
from tests.factories import PASSWORD, make_client, make_staff, make_user

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "default-ledgerflow-2026-01-01-000000-000000.psql.bin"


def address(page):
    pattern, name, _view = next(one for one in PAGES if one[1] == page)
    return reverse(f"admin:{name}", args=[NAME] if "<" in pattern else [])


def keeper():
    user = make_user()
    user.groups.add(Group.objects.get(name=BACKUPS))
    return user


@pytest.mark.parametrize("page", [name for _pattern, name, _view in PAGES])
@pytest.mark.parametrize("verb", ["get", "post"])
def test_every_page_is_for_those_who_keep_backups(client, page, verb):
    acorn = make_client("ACORN")
    auditor = make_user()
    auditor.groups.add(Group.objects.get(name=AUDITORS))
    for user in (*(make_staff(acorn, role) for role in Role), auditor):
        client.force_login(user)
        assert getattr(client, verb)(address(page)).status_code == 403
    client.logout()
    answer = getattr(client, verb)(address(page))
    assert answer.status_code == 302
    assert "/login/" in answer.url
    client.force_login(keeper())
    assert getattr(client, verb)(address(page)).status_code in (200, 302, 404, 405)
    assert not backups()


@pytest.fixture
def stored():
    return services.back_up(by="Ben")


@pytest.mark.parametrize("page", ["backup_restore", "backup_download"])
def test_a_wrong_password_does_nothing(client, stored, page):
    user = keeper()
    client.force_login(user)
    url = reverse(f"admin:{page}", args=[stored.name])
    for password in ("", "not mine"):
        answer = client.post(url, {"password": password})
        assert answer.status_code == 200
        assert "text/html" in answer["Content-Type"]
    assert "This is not your password." in answer.content.decode()
    assert runs.last_run() is None


def test_a_download_is_the_stored_file_and_on_record(client, stored, backup_folder):
    client.force_login(keeper())
    answer = client.post(reverse("admin:backup_download", args=[stored.name]), {"password": PASSWORD})
    assert b"".join(answer.streaming_content) == (backup_folder / stored.name).read_bytes()
    last = json.loads((backup_folder / "log.jsonl").read_text().splitlines()[-1])
    assert (last["what"], last["name"]) == ("download", stored.name)


def test_a_backup_is_tested_by_a_post_only(client, stored):
    client.force_login(keeper())
    url = reverse("admin:backup_test", args=[stored.name])
    assert client.get(url).status_code == 405
    assert not Job.objects.exists()
    client.post(url)
    assert Job.objects.count() == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "..%2f..%2fpasswd", NAME, "log.jsonl"])
@pytest.mark.parametrize("page", ["backup_restore", "backup_download", "backup_delete", "drop_kept_copy"])
def test_a_name_that_is_not_listed_is_not_found(client, stored, page, name):
    client.force_login(keeper())
    prefix, _name, suffix = reverse(f"admin:{page}", args=["NAME"]).partition("NAME")
    answer = client.post(f"{prefix}{name}{suffix}", {"password": PASSWORD, "typed": name})
    assert answer.status_code == 404
    assert [one.name for one in backups()] == [stored.name]


@pytest.mark.parametrize("signed_with", [{"salt": "another"}, {"key": "k"}, None])
def test_how_far_a_restore_is_shows_to_nobody_without_the_way_to_it(client, signed_with):
    token = "x" if signed_with is None else signing.dumps("id", **{"salt": SALT, **signed_with})
    assert client.get(reverse("run_page", args=[token])).status_code == 404


def test_a_restore_that_did_not_begin_says_so(client, monkeypatch):
    token = signing.dumps("id", salt=SALT)
    assert "It is about to begin." in client.get(reverse("run_page", args=[token])).content.decode()
    monkeypatch.setattr("apps.backups.views.backups.SECONDS_TO_START", -1)
    assert "It did not begin." in client.get(reverse("run_page", args=[token])).content.decode()
