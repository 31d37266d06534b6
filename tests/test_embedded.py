"""The embedded PostgreSQL, with real programs: what it survives and what it says when it cannot."""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
from environ import Env

from ledgerflow import embedded, postgres_programs
from ledgerflow.embedded import EmbeddedError, Server

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Return a folder for a server; its path is short enough to hold the socket, as tmp_path may not be."""
    with tempfile.TemporaryDirectory(prefix="lf-") as parent:
        yield Path(parent, "pg")
        for remains in Path(parent).rglob("pg.lock"):
            embedded.drop(remains.with_name("pg"))


def start(data_dir: Path) -> Server:
    return embedded.start(data_dir, durable=False)


def start_in_a_process(data_dir: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ledgerflow.embedded", "start", "--data-dir", data_dir]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def connect(server: Server) -> psycopg.Connection:
    """Connect with the URL as Django does."""
    parts = Env.db_url_config(server.url)
    return psycopg.connect(
        host=parts["HOST"], port=parts["PORT"], user=parts["USER"], dbname=parts["NAME"], autocommit=True
    )


def ask(server: Server, question: str) -> tuple:
    with connect(server) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row


def write(server: Server) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postmaster.pid").read_text().split()[0])


def kill_postmaster(data_dir: Path) -> None:
    pid = postmaster(data_dir)
    os.kill(pid, signal.SIGKILL)
    while embedded._postmaster(data_dir):
        time.sleep(0.01)


def wheel_bin_dir() -> Path:
    return postgres_programs.wheel_bin_dirs()[0]


def test_an_empty_folder_becomes_a_server(data_dir: Path) -> None:
    server = start(data_dir)
    settings = (
        "current_setting('server_encoding'), current_setting('timezone'), current_setting('data_checksums')"
    )
    assert ask(server, f"SELECT {settings}") == ("UTF8", "UTC", "on")


def test_the_role_owns_its_database_and_is_no_superuser(data_dir: Path) -> None:
    question = """
        SELECT rolname, rolsuper, rolcreatedb, pg_get_userbyid(datdba) FROM pg_roles, pg_database
         WHERE rolname = current_user AND datname = current_database()"""
    assert ask(start(data_dir), question) == ("ledgerflow", False, True, "ledgerflow")


def test_only_a_private_socket_leads_in(data_dir: Path) -> None:
    server = start(data_dir)
    assert ask(server, "SELECT current_setting('listen_addresses')") == ("",)
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700


def test_the_url_carries_the_port_so_that_pgport_cannot_mislead(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATABASE": "none", "PGDATA": "/none"}.items():
        monkeypatch.setenv(name, value)
    assert ask(start(data_dir), "SELECT 1") == (1,)


def test_tests_do_without_syncing_and_people_do_not(data_dir: Path) -> None:
    question = "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
    assert ask(start(data_dir), question) == ("off", "off")
    embedded.stop(data_dir)
    assert ask(embedded.start(data_dir), question) == ("on", "on")


def test_a_second_start_finds_the_server_and_its_data(data_dir: Path) -> None:
    write(start(data_dir))
    before = postmaster(data_dir)
    assert ask(start(data_dir), "SELECT answer FROM kept") == (42,)
    assert postmaster(data_dir) == before


def test_the_data_outlive_a_stop(data_dir: Path) -> None:
    write(start(data_dir))
    assert embedded.stop(data_dir)
    assert not embedded.stop(data_dir)
    assert ask(start(data_dir), "SELECT answer FROM kept") == (42,)


def test_first_starts_at_once_share_one_server(data_dir: Path) -> None:
    starts = [start_in_a_process(data_dir) for _ in range(3)]
    answers = [(process.communicate(timeout=60), process.returncode) for process in starts]
    assert {code for _, code in answers} == {0}, answers
    assert len({out for (out, _), _ in answers}) == 1
    assert ask(start(data_dir), "SELECT 1") == (1,)


def test_a_killed_first_start_is_done_again(data_dir: Path) -> None:
    process = start_in_a_process(data_dir)
    while not (embedded._unfinished(data_dir) / "PG_VERSION").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert ask(start(data_dir), "SELECT 1") == (1,)
    assert not embedded._unfinished(data_dir).exists()


def test_a_missing_role_or_database_is_made_again(data_dir: Path) -> None:
    server = start(data_dir)
    with psycopg.connect(host=str(server.socket_dir), user="postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE ledgerflow")
        connection.execute("DROP ROLE ledgerflow")
    assert ask(start(data_dir), "SELECT 1") == (1,)


def test_a_killed_server_starts_again_while_a_session_is_open(data_dir: Path) -> None:
    server = embedded.start(data_dir)
    write(server)
    with connect(server) as session:
        kill_postmaster(data_dir)
        assert ask(start(data_dir), "SELECT answer FROM kept") == (42,)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_a_pid_that_another_process_has_now_is_not_taken_for_the_server(data_dir: Path) -> None:
    server = start(data_dir)
    write(server)
    lines = (data_dir / "postmaster.pid").read_text().splitlines()
    embedded.stop(data_dir)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (data_dir / name).write_text("\n".join([str(stranger.pid), *lines[1:]]))
        assert not embedded.stop(data_dir)
        assert stranger.poll() is None
        assert ask(start(data_dir), "SELECT answer FROM kept") == (42,)
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_whose_folder_was_deleted_is_not_taken_for_the_new_one(data_dir: Path) -> None:
    nested = data_dir.with_name("d" * 120) / "pg"
    orphan = start(nested)
    write(orphan)
    pid, socket_dir = postmaster(nested), orphan.socket_dir
    shutil.rmtree(nested)
    try:
        assert ask(start(nested), "SELECT to_regclass('kept')") == (None,)
    finally:
        os.kill(pid, signal.SIGKILL)
        shutil.rmtree(socket_dir)


@pytest.mark.parametrize("name", ["d" * 120, "with space", "comma,comma", "quote'\"", "100%+", "ünï"])
def test_any_folder_name_will_do(data_dir: Path, name: str) -> None:
    nested = data_dir.with_name(name) / "pg"
    server = start(nested)
    assert len(os.fsencode(server.socket_dir)) < 80
    assert unquote(server.url) == server.url
    assert ask(server, "SELECT 1") == (1,)
    embedded.drop(nested)
    assert not server.socket_dir.exists()


def test_a_short_socket_folder_made_by_somebody_else_is_refused(data_dir: Path) -> None:
    nested = data_dir.with_name("d" * 120) / "pg"
    foreign = start(nested).socket_dir
    embedded.stop(nested)
    foreign.rmdir()
    foreign.symlink_to(data_dir.parent)
    try:
        with pytest.raises(EmbeddedError, match="belongs to"):
            start(nested)
    finally:
        foreign.unlink()


def test_data_of_another_major_version_is_refused(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    (data_dir / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match="^The database was made by PostgreSQL 9, but "):
        start(data_dir)


def test_the_wheel_serves_where_it_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGERFLOW_PG_BIN", str(wheel_bin_dir()))
    assert ask(start(data_dir), "SELECT current_setting('server_version_num')::int / 10000") == (16,)


def test_data_choose_the_programs_that_made_them(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGERFLOW_PG_BIN", str(wheel_bin_dir()))
    start(data_dir)
    embedded.stop(data_dir)
    monkeypatch.delenv("LEDGERFLOW_PG_BIN")
    assert postgres_programs.major(start(data_dir).bin_dir) == 16


def test_a_named_folder_without_programs_is_refused(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGERFLOW_PG_BIN", str(data_dir.parent))
    with pytest.raises(EmbeddedError, match="^LEDGERFLOW_PG_BIN=.* has no PostgreSQL; install"):
        start(data_dir)


def test_a_machine_without_postgresql_is_told_what_to_install(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEDGERFLOW_PG_BIN", raising=False)
    monkeypatch.setattr(postgres_programs, "SYSTEM_BIN_DIRS", ())
    monkeypatch.setattr(postgres_programs, "WHEEL", "no_such_wheel")
    monkeypatch.setenv("PATH", str(data_dir.parent))
    with pytest.raises(
        EmbeddedError, match="^This machine has no PostgreSQL; install PostgreSQL 15 or newer"
    ):
        start(data_dir)


def test_a_machine_without_the_locale_gets_the_plain_one(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, poor = postgres_programs.find_bin_dir(None), data_dir.with_name("bin")
    poor.mkdir()
    for name in postgres_programs.NEEDED:
        refuse = 'case "$*" in *C.UTF-8*) echo "initdb: error: invalid locale name" >&2; exit 1;; esac'
        (poor / name).write_text(
            f'#!/bin/sh\n{refuse if name == "initdb" else ""}\nexec {real / name} "$@"\n'
        )
        (poor / name).chmod(0o755)
    monkeypatch.setenv("LEDGERFLOW_PG_BIN", str(poor))
    question = (
        "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'ledgerflow'"
    )
    assert ask(start(data_dir), question) == ("C", "UTF8")


def test_files_that_are_no_database_are_left_alone(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    (data_dir / "letter.txt").write_text("dear")
    with pytest.raises(EmbeddedError, match="holds files but no database"):
        start(data_dir)
    assert (data_dir / "letter.txt").read_text() == "dear"
    shutil.rmtree(data_dir)


def test_a_folder_open_to_others_is_refused(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    data_dir.chmod(0o755)
    with pytest.raises(EmbeddedError, match="open to other accounts"):
        start(data_dir)
    data_dir.chmod(0o700)


def test_a_place_that_cannot_be_written_is_named(data_dir: Path) -> None:
    data_dir.write_text("in the way")
    with pytest.raises(EmbeddedError, match=r"cannot use .*: [A-Z][a-z ]+\.$"):
        start(data_dir / "pg")
    data_dir.unlink()


def test_a_start_that_never_ends_is_not_waited_for_without_end(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", 0.2)
    with data_dir.with_name("pg.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedError, match="Another process has been busy"):
            start(data_dir)


def test_a_server_that_refuses_its_settings_says_why_and_where(data_dir: Path) -> None:
    start(data_dir)
    embedded.stop(data_dir)
    (data_dir / "postgresql.auto.conf").write_text("shared_buffers = 'many'\n")
    with pytest.raises(
        EmbeddedError, match=r"^The embedded database did not start: .*; its log is .*pg\.log\.$"
    ):
        start(data_dir)


@pytest.mark.parametrize("typed", ["", "no\n", "y\n"])
def test_dropping_needs_a_typed_yes(data_dir: Path, typed: str) -> None:
    server = start(data_dir)
    command = [sys.executable, "-m", "ledgerflow.embedded", "drop", "--data-dir", data_dir]
    assert subprocess.run(command, input=typed, capture_output=True, text=True).returncode == 1
    assert ask(server, "SELECT 1") == (1,)
    assert subprocess.run(command, input="yes\n", capture_output=True, text=True).returncode == 0
    assert not data_dir.exists()


@needs_root
def test_data_go_over_to_another_account_and_back_as_root_has_to_change_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(start(data_dir))
    embedded.stop(data_dir)
    in_namespace = data_dir.stat().st_uid
    without_namespaces = data_dir.with_name("bin")
    without_namespaces.mkdir()
    (without_namespaces / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (without_namespaces / "unshare").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{without_namespaces}:{os.environ['PATH']}")
        patch.setenv("LEDGERFLOW_PG_BIN", str(start(data_dir).bin_dir))
        embedded.stop(data_dir)
        assert ask(start(data_dir), "SELECT answer FROM kept") == (42,)
        assert data_dir.stat().st_uid == embedded._account().pw_uid != in_namespace
        embedded.stop(data_dir)
    assert ask(start(data_dir), "SELECT answer FROM kept") == (42,)
    assert data_dir.stat().st_uid == in_namespace


@needs_root
def test_data_of_an_ordinary_account_are_not_taken_over_by_root(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    os.chown(data_dir, 54321, -1)
    with pytest.raises(EmbeddedError, match="belongs to account 54321; start as that account"):
        start(data_dir)
    os.chown(data_dir, 0, -1)
