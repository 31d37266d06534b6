"""dbbackup as configured: the server's own tools, private files, names in UTC, manifests."""

import re
import subprocess

import pytest
from dbbackup.db.exceptions import CommandConnectorError
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from apps.backups import services
from apps.backups.catalogue import Reason, State, backups, newest_backup
from apps.backups.connector import client_tool
from apps.backups.tasks import back_up
from apps.core.models import Job, JobState
from tests.core.test_jobs import fresh, work
from tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db(transaction=True)

DUMP = r"default-ledgerflow-\d{4}-\d\d-\d\d-\d{6}-\d{6}\.psql\.bin"


def test_a_backup_holds_the_rows_and_can_be_read_back(backup_folder):
    make_client("ACORN", name="Acorn in the dump")
    call_command("dbbackup", verbosity=0)
    backup = newest_backup()
    assert re.fullmatch(DUMP, backup.name)
    tool = client_tool("pg_restore", connection.pg_version // 10_000)
    sql = subprocess.run(
        [tool, "-f", "-", backup_folder / backup.name], capture_output=True, text=True, check=True
    ).stdout
    assert "Acorn in the dump" in sql


def test_a_backup_says_what_it_holds_who_made_it_and_why():
    make_client("ACORN")
    backup = services.back_up(reason=Reason.SCHEDULED, by="Ben")
    assert (backup.reason, backup.by, backup.state) == ("scheduled", "Ben", State.READ_BACK)
    assert backup.rows("profiles_client") == 1
    manifest = backup.manifest()
    assert manifest["tables"]["profiles_client"][0] == 1
    assert manifest["facts"]["trial_balances"]["ACORN"]["posted"] == 0
    assert "ledger.0043_facts_for_backups" in manifest["migrations"]


def test_the_librarys_command_makes_the_same_backup(capsys):
    call_command("dbbackup")
    assert newest_backup().state == State.READ_BACK
    call_command("listbackups")
    assert newest_backup().name in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        {"compress": True},
        {"encrypt": True},
        {"output_filename": "mine"},
        {"output_path": "mine"},
        {"exclude_tables": "core_user"},
        {"schema": ["public"]},
        {"clean": True},
        {"database": "other"},
    ],
)
def test_the_librarys_command_refuses_what_could_not_be_tested(options):
    with pytest.raises(CommandError, match="is not taken here|There is one database here"):
        call_command("dbbackup", **options)
    assert newest_backup() is None


def test_backups_in_the_same_second_do_not_share_a_name(backup_folder):
    call_command("dbbackup", verbosity=0)
    call_command("dbbackup", verbosity=0)
    names = {path.name for path in backup_folder.iterdir() if re.match(DUMP, path.name)}
    dumps = {name for name in names if not name.endswith(".metadata")}
    assert len(dumps) == 2
    assert names == dumps | {f"{name}.metadata" for name in dumps}


def test_an_empty_file_is_no_backup(backup_folder):
    backup_folder.mkdir()
    name = "default-ledgerflow-2026-01-01-000000-000000.psql.bin"
    (backup_folder / name).touch()
    (backup_folder / f"{name}.metadata").write_text("{}")
    assert newest_backup() is None


@pytest.mark.parametrize("when", ["2099-01-01-000000-000000", "2026-13-45-999999-000000"])
def test_a_file_from_another_calendar_is_no_backup(backup_folder, when, client):
    backup_folder.mkdir()
    name = f"default-ledgerflow-{when}.psql.bin"
    (backup_folder / name).write_text("junk")
    (backup_folder / f"{name}.metadata").write_text("{}")
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
    assert "There is no backup yet" in client.get(reverse("admin:backups")).content.decode()
    assert "None yet" in client.get(reverse("admin:index")).content.decode()
    answer = client.post(reverse("admin:back_up_now"))
    job = Job.objects.get()
    assert answer.url == reverse("admin:core_job_change", args=[job.pk])
    work()
    assert fresh(job).state == JobState.DONE
    assert newest_backup().name in fresh(job).message
    assert newest_backup().by == str(owner)
    client.post(reverse("admin:backup_test", args=[newest_backup().name]))
    work()
    assert newest_backup().state == State.TESTED
    assert "None yet" not in client.get(reverse("admin:index")).content.decode()


def test_a_failed_backup_says_why_and_leaves_nothing(client, monkeypatch, backup_folder):
    from apps.core.jobs import start

    monkeypatch.setattr("apps.backups.connector.DUMP_OPTIONS", "--no-such-option")
    job = start(back_up, by=make_user(), title="Back up", by_name="Ben")
    work()
    assert fresh(job).state == JobState.FAILED
    assert fresh(job).message == "unrecognized option '--no-such-option'"
    left = [path for path in backup_folder.rglob("*") if path.is_file() and path.stat().st_size]
    assert [path.name for path in left] == ["log.jsonl"]


def test_what_is_not_stored_as_it_was_written_is_no_backup(monkeypatch, backup_folder):
    from apps.backups import storage

    def put_less(incoming, final):
        final.write_bytes(incoming.read_bytes()[:-100])

    monkeypatch.setattr(storage, "put", put_less)
    with pytest.raises(ValidationError, match="What was stored is not what was written"):
        services.back_up(by="Ben")
    assert backups() == []
    assert not [path for path in backup_folder.iterdir() if re.match(DUMP, path.name)]


@pytest.mark.parametrize("verb", ["get", "post"])
@pytest.mark.parametrize("page", ["backups", "back_up_now"])
def test_only_those_who_keep_backups_may_see_and_make_them(client, verb, page):
    client.force_login(make_user())
    assert getattr(client, verb)(reverse(f"admin:{page}")).status_code == 403
    assert not Job.objects.exists()


@pytest.mark.parametrize(("code", "told"), [(1, "pg_restore: error: cannot go on"), (0, "")])
def test_who_reads_back_ends_before_the_dump_does(settings, tmp_path, code, told):
    """Its reason is told, and a dump that is not done yet is waited for."""
    major = connection.pg_version // 10_000
    dump = client_tool("pg_dump", major)
    for tool, does in (
        ("pg_dump", f"'{dump}' \"$@\"; sleep 1; printf more"),
        ("pg_restore", f"head -c 100 >/dev/null; echo '{told}' >&2; exit {code}"),
    ):
        script = (
            f"#!/bin/sh\n[ \"$1\" = --version ] && echo '{tool} (PostgreSQL) {major}.1' && exit\n{does}\n"
        )
        (tmp_path / tool).write_text(script)
        (tmp_path / tool).chmod(0o755)
    settings.PG_BIN = str(tmp_path)
    if code:
        with pytest.raises(ValidationError, match="cannot go on"):
            services.back_up(by="Ben")
    else:
        assert services.back_up(by="Ben").size
