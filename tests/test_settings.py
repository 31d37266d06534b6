"""Settings come from the environment; a missing or malformed one is named in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GOOD = {
    "LEDGERFLOW_ENV": "production",
    "SECRET_KEY": "k3J-".join("abcdefghijklmnopqrstuvwxyz"),
    "ALLOWED_HOSTS": "books.example",
    "DATABASE_URL": "postgres://ledgerflow:hidden-secret@127.0.0.1:9/ledgerflow",
    "TRUSTED_PROXY": "on",
}


def run(code="import django; django.setup()", module=None, **changes):
    """Load the settings in a process of their own and return (exit code, what it said)."""
    keep = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ
    }
    environment = {**keep, "DJANGO_SETTINGS_MODULE": "ledgerflow.settings", **GOOD, **changes}
    environment = {name: value for name, value in environment.items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]


def test_good_settings_load():
    assert run()[0] == 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LEDGERFLOW_ENV", "prod", "LEDGERFLOW_ENV must be one of: development, production, test."),
        ("DEBUG", "1", "DEBUG must be off in production."),
        ("DEBUG", "maybe", "DEBUG must be true or false."),
        ("SECRET_KEY", None, "SECRET_KEY must be a random text of 50 characters or more"),
        ("SECRET_KEY", "sample-" * 10, "SECRET_KEY must be a random text of 50 characters or more"),
        ("SECRET_KEY", "a" * 60, "SECRET_KEY must be a random text of 50 characters or more"),
        ("SECRET_KEY_FILE", "/nowhere", "SECRET_KEY_FILE cannot be read: No such file or directory."),
        ("ALLOWED_HOSTS", None, "ALLOWED_HOSTS must name the hosts"),
        ("ALLOWED_HOSTS", "*", "ALLOWED_HOSTS must name the hosts"),
        ("DATABASE_URL", None, "DATABASE_URL is not set: name the PostgreSQL database to use."),
        ("DATABASE_URL", "sqlite:///x.db", "DATABASE_URL must begin with postgres://"),
        ("DATABASE_URL", "postgres://u:hidden-secret@h:port/x", "DATABASE_URL is malformed: ValueError."),
        ("DATABASE_URL", "postgres://u:hidden-secret@h", "DATABASE_URL names no database"),
        ("TIME_ZONE", "Mars/Olympus", "TIME_ZONE is not a time zone such as Europe/London."),
        ("SESSION_HOURS", "eight", "SESSION_HOURS is malformed: ValueError."),
        ("SESSION_HOURS", "0", "SESSION_HOURS must be from 1 to 336."),
        ("SIGN_IN_PAUSE_MINUTES", "9" * 20, "SIGN_IN_PAUSE_MINUTES must be from 1 to 1440."),
        ("TRUSTED_PROXY", "perhaps", "TRUSTED_PROXY must be true or false."),
        ("OFFSITE_ENDPOINT", "s3.example.com", "OFFSITE_ENDPOINT must be an address such as https://s3.exa"),
        ("OFFSITE_SCHEDULE", "hourly", "OFFSITE_SCHEDULE must be five cron fields"),
        ("OFFSITE_SECRET_KEY_FILE", "/nowhere", "OFFSITE_SECRET_KEY_FILE cannot be read"),
        ("BACKUP_RECIPIENTS", "hidden-secret", "BACKUP_RECIPIENTS must be public keys such as age1"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be one of: DEBUG, ERROR, INFO, WARNING."),
    ],
)
def test_what_is_missing_or_malformed_is_named_in_one_line(name, value, said):
    code, line = run(**{name: value})
    assert code != 0
    assert said in line
    assert "hidden-secret" not in line


def test_secrets_may_come_from_files(tmp_path):
    (tmp_path / "key").write_text(GOOD["SECRET_KEY"] + "\n")
    (tmp_path / "url").write_text(GOOD["DATABASE_URL"] + "\n")
    show = (
        "from django.conf import settings; import sys;"
        "sys.exit(settings.SECRET_KEY + '|' + settings.DATABASES['default']['NAME'])"
    )
    files = {"SECRET_KEY_FILE": str(tmp_path / "key"), "DATABASE_URL_FILE": str(tmp_path / "url")}
    assert run(show, SECRET_KEY=None, DATABASE_URL=None, **files)[1] == GOOD["SECRET_KEY"] + "|ledgerflow"


def test_a_secret_may_begin_with_a_dollar_sign():
    show = "from django.conf import settings; import sys; sys.exit(settings.SECRET_KEY)"
    assert run(show, SECRET_KEY="$" + GOOD["SECRET_KEY"])[1] == "$" + GOOD["SECRET_KEY"]


def test_the_web_server_never_brings_its_own_database():
    code, line = run("import ledgerflow.wsgi", DATABASE_URL=None, LEDGERFLOW_ENV=None)
    assert code != 0
    assert "DATABASE_URL is not set" in line


def test_production_is_the_default():
    show = "from django.conf import settings; import sys; sys.exit(settings.ENVIRONMENT)"
    assert run(show, LEDGERFLOW_ENV=None)[1] == "production"


def test_deploy_checks_are_clean():
    check = "import django; django.setup(); from django.core.management import call_command as call;"
    code, line = run(check + "call('check', '--deploy', '--fail-level', 'WARNING')")
    assert (code, line) == (0, "")


def test_every_setting_is_in_the_table_of_operations():
    """The table says name and default; a setting that is read and not in it fails here."""
    source = (ROOT / "ledgerflow" / "settings.py").read_text()
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", source))
    table = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
    assert "SECRET_KEY" in read
    assert read == table


@pytest.mark.parametrize("command", ["createsuperuser", "dbbackup", "migrate", "demo"])
def test_a_command_says_in_one_line_that_the_database_is_away(command, tmp_path):
    code = (
        f"import runpy, sys; sys.argv = ['manage.py', '{command}'];"
        "runpy.run_path('manage.py', run_name='__main__')"
    )
    exit_code, line = run(code, LEDGERFLOW_ENV="test", BACKUP_DIR=str(tmp_path))
    assert exit_code != 0
    assert "does not answer" in line or "backup before it failed" in line
    assert "hidden-secret" not in line
