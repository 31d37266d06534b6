"""dbbackup as configured: the server's own tools, private files, names in UTC."""

import re
import subprocess

import pytest
from dbbackup.db.exceptions import CommandConnectorError
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from apps.backups.connector import client_tool
from apps.backups.storage import newest_backup
from apps.backups.tasks import back_up
from apps.core.models import Job, JobState
from apps.profiles.models import Client
from tests.core.test_jobs import fresh, work
from tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_backup_holds_the_rows_and_can_be_read_back(backup_folder):
    make_client("ACORN", name="Acorn in the dump")
    call_command("dbbackup", verbosity=0)
    backup = newest_backup()
    assert re.fullmatch(r"default-ledgerflow-\d{4}-\d\d-\d\d-\d{6}-\d{6}\.psql\.bin", backup.name)
    tool = client_tool("pg_restore", connection.pg_version // 10_000)
    sql = subprocess.run(
        [tool, "-f", "-", backup_folder / backup.name], capture_output=True, text=True, check=True
    ).stdout
    assert "Acorn in the dump" in sql


def test_a_backup_can_be_restored():
    kept = make_client("KEPT")
    call_command("dbbackup", verbosity=0)
    make_client("LATER")
    call_command("dbrestore", interactive=False, verbosity=0)
    assert list(Client.objects.values_list("code", flat=True)) == [kept.code]


def test_backups_in_the_same_second_do_not_share_a_name(backup_folder):
    call_command("dbbackup", verbosity=0)
    call_command("dbbackup", verbosity=0)
    names = {path.name for path in backup_folder.iterdir()}
    dumps = {name for name in names if not name.endswith(".metadata")}
    assert len(dumps) == 2
    assert names == dumps | {f"{name}.metadata" for name in dumps}


def test_backups_are_listed(capsys):
    call_command("dbbackup", verbosity=0)
    call_command("listbackups")
    assert newest_backup().name in capsys.readouterr().out


def test_an_empty_file_is_no_backup(backup_folder):
    backup_folder.mkdir()
    (backup_folder / "default-ledgerflow-2026-01-01-000000-000000.psql.bin").touch()
    assert newest_backup() is None


@pytest.mark.parametrize("when", ["2099-01-01-000000-000000", "2026-13-45-999999-000000"])
def test_a_file_from_another_calendar_is_no_backup(backup_folder, when, client):
    backup_folder.mkdir()
    (backup_folder / f"default-ledgerflow-{when}.psql.bin").write_text("junk")
    assert newest_backup() is None
    client.force_login(make_user(is_superuser=True))
    assert "None yet" in client.get(reverse("admin:index")).content.decode()


def test_asking_twice_makes_one_backup(client):
    client.force_login(make_user(is_superuser=True))
    client.post(reverse("admin:back_up_now"))
    answer = client.post(reverse("admin:back_up_now"), follow=True)
    assert "This is waiting to be done already." in answer.content.decode()
    assert Job.objects.count() == 1


def test_tools_of_another_major_are_refused_by_name():
    with pytest.raises(CommandConnectorError, match="PostgreSQL 99, and pg_dump 99 was not found"):
        client_tool("pg_dump", 99)


def test_a_backup_asked_for_on_the_screen_is_made_by_the_worker(client):
    owner = make_user(is_superuser=True)
    client.force_login(owner)
    assert "There is no backup yet" in client.get(reverse("admin:back_up_now")).content.decode()
    assert "None yet" in client.get(reverse("admin:index")).content.decode()
    answer = client.post(reverse("admin:back_up_now"))
    job = Job.objects.get()
    assert answer.url == reverse("admin:core_job_change", args=[job.pk])
    work()
    assert fresh(job).state == JobState.DONE
    assert newest_backup().name in fresh(job).message
    assert "None yet" not in client.get(reverse("admin:index")).content.decode()


def test_a_failed_backup_says_why(client, monkeypatch):
    from apps.core.jobs import start

    monkeypatch.setattr("apps.backups.connector.DUMP_OPTIONS", "--no-such-option")
    job = start(back_up, by=make_user(), title="Back up")
    work()
    assert fresh(job).state == JobState.FAILED
    assert fresh(job).message == "unrecognized option '--no-such-option'"


@pytest.mark.parametrize("verb", ["get", "post"])
def test_only_those_who_keep_backups_may_make_them(client, verb):
    client.force_login(make_user())
    assert getattr(client, verb)(reverse("admin:back_up_now")).status_code == 403
    assert not Job.objects.exists()
