"""A PostgreSQL of the project's own, so that a clone runs and is tested with no set-up.

It serves development and tests only; production names its server in DATABASE_URL. The server listens on
a Unix socket inside a private folder and on no port, so it meets no other server and lets in no other
account. It outlives the process that started it, because waiting for a database at every restart of the
code would cost more than an idle server does: `make stop` ends it.

Whether a server runs is asked of the server. A postmaster.pid survives kill -9 and reboots, and by then
its number may belong to any other process.
"""

import argparse
import fcntl
import hashlib
import os
import pwd
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from ledgerflow.postgres_programs import ProgramsNotFoundError, find_bin_dir

DEFAULT_DATA_DIR = Path(__file__).resolve().parent.parent / "var" / "pg"
PORT = 5432  # only names the socket file
LONGEST_SOCKET_PATH = 103  # bytes: macOS takes 103, Linux 107
START_SECONDS = 300  # crash recovery of a long write-ahead log takes minutes
STOP_SECONDS = 60
LEAST_SPACE = 16 * 2**20  # a segment of the write-ahead log
LONGEST_LOG = 10 * 2**20

ROLE_AND_DATABASE = r"""
SELECT 'CREATE ROLE ledgerflow LOGIN CREATEDB' WHERE to_regrole('ledgerflow') IS NULL \gexec
SELECT 'CREATE DATABASE ledgerflow OWNER ledgerflow'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ledgerflow') \gexec
"""

Command = list[str | Path]


class EmbeddedError(Exception):
    """Why the embedded server cannot be had, in one sentence for the person at the terminal."""


@dataclass(frozen=True)
class Server:
    """A data folder with the programs of the PostgreSQL that made it."""

    data_dir: Path
    bin_dir: Path

    @property
    def socket_dir(self) -> Path:
        return _socket_dir(self.data_dir)

    @property
    def log(self) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.log")

    @property
    def url(self) -> str:
        """The DATABASE_URL; the socket folder stands in the path, where django-environ looks for it."""
        return f"postgres://ledgerflow@:{PORT}/{self.socket_dir}/ledgerflow"


def start(data_dir: Path, *, durable: bool = True) -> Server:
    """Return the running server of `data_dir`, made first where there is none.

    Safe to call at any time and from several processes at once; whatever an earlier call left unfinished,
    killed or for want of space, is done again. `durable=False` gives up safety against a crash of the
    machine for speed: for databases that tests throw away. Raises EmbeddedError.
    """
    data_dir = data_dir.resolve()
    with _lock(data_dir) as lock:
        _refuse_foreign(data_dir)
        _refuse_foreign(_socket_dir(data_dir))
        server = Server(data_dir, _bin_dir(data_dir))
        if not _answers(server):
            prefix, owner = _unprivileged(server)
            if not (data_dir / "PG_VERSION").exists():
                _initialise(server, prefix, owner, lock, durable=durable)
            _bring_up(server, prefix, owner, durable=durable)
        _run([*_psql(server), "-v", "ON_ERROR_STOP=1"], server, text=ROLE_AND_DATABASE)
    return server


def stop(data_dir: Path) -> bool:
    """End the server of `data_dir`, and say whether one was running."""
    data_dir = data_dir.resolve()
    with _lock(data_dir):
        return _stop(data_dir)


def state(data_dir: Path) -> Literal["running", "stopped", "killed"]:
    """Tell a server that was stopped from one that was killed, which leaves its postmaster.pid behind."""
    if not (data_dir / "postmaster.pid").exists():
        return "stopped"
    return "running" if _postmaster(data_dir) else "killed"


def drop(data_dir: Path) -> None:
    """End the server of `data_dir` and delete its databases for good."""
    data_dir = data_dir.resolve()
    with _lock(data_dir):
        _stop(data_dir)
        for folder in (_socket_dir(data_dir), _unfinished(data_dir), data_dir):
            if folder.exists():
                _refuse_foreign(folder)
                shutil.rmtree(folder)


@contextmanager
def _lock(data_dir: Path) -> Iterator[int]:
    """Let one process at a time start, stop or drop a server, and make a sentence of a refused file."""
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        with open(data_dir.with_name(f"{data_dir.name}.lock"), "w") as lock:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise EmbeddedError(
                            f"Another process has been busy with {data_dir} for {START_SECONDS} seconds; "
                            "end it and try again."
                        ) from None
                    time.sleep(0.05)
            yield lock.fileno()
    except OSError as error:
        remedy = "; start as the account that owns it" if isinstance(error, PermissionError) else ""
        raise EmbeddedError(
            f"The embedded database cannot use {error.filename or data_dir}: {error.strerror}{remedy}."
        ) from error


def _bin_dir(data_dir: Path) -> Path:
    version = data_dir / "PG_VERSION"
    try:
        return find_bin_dir(version.read_text().strip() if version.exists() else None)
    except ProgramsNotFoundError as error:
        raise EmbeddedError(f"{error} ({data_dir})." if version.exists() else f"{error}.") from None


def _refuse_foreign(folder: Path) -> None:
    """Keep away from folders of other accounts: their server is theirs, and /tmp is open to everybody."""
    if not os.path.lexists(folder):
        return
    found = folder.lstat()
    ours = {0, _account().pw_uid} if os.geteuid() == 0 else {os.geteuid()}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
        raise EmbeddedError(
            f"{folder} belongs to account {found.st_uid}; start as that account, or remove the folder."
        )
    if found.st_mode & 0o077:
        raise EmbeddedError(f"{folder} is open to other accounts; close it with `chmod 700`.")


def as_server_account(bin_dir: Path, folders: list[Path]) -> Command:
    """Return the command prefix PostgreSQL runs under, having given it folders. Raises EmbeddedError."""
    prefix, owner = _unprivileged(Server(folders[0], bin_dir))
    for folder in folders:
        _refuse_foreign(folder)
        _give(folder, owner)
    return prefix


def _unprivileged(server: Server) -> tuple[Command, int]:
    """Return the command prefix under which PostgreSQL agrees to run, and the account that owns its files.

    Only root needs a prefix. In a user namespace root's files stay root's and stay readable. Where those
    are refused (hardened hosts, many containers) PostgreSQL runs as another account with the one capability
    that opens paths below a private home; `no_setuid_fixup` lets access(2), with which its programs look
    for each other, honour it.
    """
    if os.geteuid() != 0:
        return [], os.geteuid()
    user, group = _account().pw_uid, _account().pw_gid
    in_namespace: Command = ["unshare", "--user", f"--map-user={user}", f"--map-group={group}"]
    as_account: Command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    as_account += [
        "--securebits=+no_setuid_fixup",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
    ]
    for prefix, owner in ((in_namespace, 0), (as_account, user)):
        probe = ["sh", "-c", 'cd "$1" && exec "$2" --version', "sh"]
        command: Command = [*prefix, *probe, server.data_dir.parent, server.bin_dir / "postgres"]
        with suppress(FileNotFoundError):
            if subprocess.run(command, capture_output=True).returncode == 0:
                return prefix, owner
    raise EmbeddedError(
        "PostgreSQL does not run as root, and neither unshare nor setpriv helps here; "
        "start as an ordinary user, or set DATABASE_URL."
    )


@cache
def _account() -> pwd.struct_passwd:
    """Return the account that PostgreSQL takes root for; initdb insists that it has a name."""
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _unfinished(data_dir: Path) -> Path:
    return data_dir.with_name(f"{data_dir.name}.unfinished")


def _initialise(server: Server, prefix: Command, owner: int, lock: int, *, durable: bool) -> None:
    """Make an empty cluster beside the data folder and rename it, so that a data folder is always whole.

    initdb inherits the lock: when only this process is killed, the next start waits for it to end.
    """
    if server.data_dir.exists() and any(server.data_dir.iterdir()):
        raise EmbeddedError(f"{server.data_dir} holds files but no database; move them away.")
    unfinished = _unfinished(server.data_dir)
    command: Command = [*prefix, server.bin_dir / "initdb", "-D", unfinished, "-U", "postgres", "-E", "UTF8"]
    command += [
        "--data-checksums",
        "--auth-local=trust",
        "--auth-host=reject",
        *([] if durable else ["--no-sync"]),
    ]
    for locale in ("C.UTF-8", "C"):
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, owner, -1)
        try:
            _run([*command, f"--locale={locale}"], server, pass_fds=(lock,))
            break
        except EmbeddedError as error:
            if "locale" not in str(error) or locale == "C":
                raise
    unfinished.rename(server.data_dir)


def _bring_up(server: Server, prefix: Command, owner: int, *, durable: bool) -> None:
    """Start the server and wait until it answers; one that is still recovering is only waited for."""
    deadline = time.monotonic() + START_SECONDS
    while not _answers(server):
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"The embedded database did not answer in {START_SECONDS} seconds; its log is {server.log}."
            )
        if _postmaster(server.data_dir) is None:
            _hand_over(server, owner)
            _launch(server, prefix, durable=durable)
        else:
            time.sleep(0.1)


def _hand_over(server: Server, owner: int) -> None:
    """Give the files to the account that PostgreSQL runs as, which root may since have had to change."""
    _refuse_foreign(server.socket_dir)
    server.socket_dir.mkdir(mode=0o700, exist_ok=True)
    if server.log.exists() and server.log.stat().st_size > LONGEST_LOG:
        server.log.replace(server.log.with_name(f"{server.log.name}.1"))
    server.log.touch(mode=0o600)
    for top in (server.log, server.socket_dir, server.data_dir):
        _give(top, owner)


def _give(top: Path, owner: int) -> None:
    if top.stat().st_uid != owner:
        # The top folder comes last: it tells the next start whether this was finished.
        for path in (*top.rglob("*"), top):
            os.chown(path, owner, -1, follow_symlinks=False)


def _launch(server: Server, prefix: Command, *, durable: bool) -> None:
    """Run pg_ctl, which starts the server in a session of its own; it is left to come up by itself."""
    settings = {
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": server.socket_dir,
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    options = shlex.join(f"--{name}={value}" for name, value in settings.items())
    _forget_reused_pids(server)
    before = server.log.stat().st_size
    # Bare names: pg_ctl hands them to a shell between double quotes, where a `$` in a path would count.
    command: Command = [*prefix, server.bin_dir / "pg_ctl", "-D", server.data_dir.name, "-l", server.log.name]
    command += ["-o", options, "-w", "-t", str(START_SECONDS), "start"]
    answer = subprocess.run(
        command, cwd=server.data_dir.parent, capture_output=True, text=True, env=_environment()
    )
    if answer.returncode:
        logged = server.log.read_bytes()[before:].decode(errors="replace")
        if "is still in use" not in logged:  # processes of a killed server need a moment to notice
            raise _failure(server, answer.stdout + answer.stderr + logged)
        time.sleep(0.2)


def _answers(server: Server) -> bool:
    """Say whether the server takes connections; one that starts, stops or hangs does not."""
    if not (server.data_dir / "PG_VERSION").exists():
        return False
    command = [*_psql(server), "-c", "SELECT"]
    try:
        return subprocess.run(command, capture_output=True, env=_environment(), timeout=10).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _recorded_pid(lock_file: Path) -> int | None:
    try:
        return int(lock_file.read_text().split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _postmaster(data_dir: Path) -> int | None:
    """Return the process id of the folder's server, only where that process is the folder's server."""
    pid = _recorded_pid(data_dir / "postmaster.pid")
    return pid if pid is not None and _serves(pid, data_dir) else None


def _serves(pid: int, data_dir: Path) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", data_dir)
    except PermissionError:  # root in a container may not look into processes of another account
        command = ["cat", f"/proc/{pid}/cmdline"]
    except OSError:
        if os.path.exists("/proc/self"):
            return False
        command = ["ps", "-p", str(pid), "-o", "command="]  # macOS
    listed = subprocess.run(command, capture_output=True, text=True)
    return f"unix_socket_directories={_socket_dir(data_dir)}" in listed.stdout


def _forget_reused_pids(server: Server) -> None:
    """Remove lock files whose number another process has now: PostgreSQL would take that for a server.

    Called when no server runs. A number that no process has is left to PostgreSQL, which then also looks
    for processes that a killed server left behind.
    """
    for lock_file in (server.data_dir / "postmaster.pid", server.socket_dir / f".s.PGSQL.{PORT}.lock"):
        pid = _recorded_pid(lock_file)
        with suppress(ProcessLookupError, PermissionError):
            if pid is not None:
                os.kill(pid, 0)
                lock_file.unlink()


def _stop(data_dir: Path) -> bool:
    pid = _postmaster(data_dir)
    if pid is None:
        return False
    os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown: sessions end, data is written
    deadline = time.monotonic() + STOP_SECONDS
    while _postmaster(data_dir) == pid:
        if time.monotonic() > deadline:
            raise EmbeddedError(f"The database (process {pid}) did not end in {STOP_SECONDS} seconds.")
        time.sleep(0.05)
    return True


def _socket_dir(data_dir: Path) -> Path:
    """Return the data folder itself, or a short private folder where its path cannot name a socket.

    Too long is too long for the kernel; and a comma, a space or a quote means something else to one of
    those who read the path: libpq, a URL, the server's own settings. Its name comes from the data, which
    may be moved, copied, or deleted and made anew under a server. It is not below TMPDIR, which differs
    from one session to the next and may itself be long.
    """
    path = str(data_dir / f".s.PGSQL.{PORT}")
    if len(path) <= LONGEST_SOCKET_PATH and re.fullmatch(r"[A-Za-z0-9/._-]+", path):
        return data_dir
    identity = f"{data_dir.stat().st_ino}:".encode() if data_dir.exists() else b""
    with suppress(FileNotFoundError):
        identity += (data_dir / "global" / "pg_control").read_bytes()[:8]  # what initdb drew for this cluster
    return Path("/tmp", f"ledgerflow-{hashlib.sha256(identity).hexdigest()[:16]}")  # noqa: S108


def _psql(server: Server) -> Command:
    where = ["-h", str(server.socket_dir), "-p", str(PORT), "-U", "postgres", "-d", "postgres"]
    return [server.bin_dir / "psql", "-X", "-q", "-At", *where]


def _environment() -> dict[str, str]:
    """Return this environment without the settings of other servers, and with English messages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "PGCONNECT_TIMEOUT": "5"}


def _run(command: Command, server: Server, *, text: str = "", pass_fds: tuple[int, ...] = ()) -> None:
    answer = subprocess.run(
        command, input=text, capture_output=True, text=True, env=_environment(), pass_fds=pass_fds
    )
    if answer.returncode:
        raise _failure(server, answer.stdout + answer.stderr)


def _failure(server: Server, output: str) -> EmbeddedError:
    """Return the reason as a sentence: the full disk first, which leaves other words or none at all."""
    free = shutil.disk_usage(server.data_dir.parent).free
    if "No space left on device" in output or free < LEAST_SPACE:
        return EmbeddedError(f"No space left on the disk of {server.data_dir}; make room and try again.")
    lines = output.splitlines() or ["it gave no reason"]
    errors = [line for line in lines if re.search(r"(FATAL|PANIC|ERROR|error): ", line)]
    reason = re.sub(r"^.*(FATAL|PANIC|ERROR|error): +", "", (errors or lines)[-1]).strip(" .")
    return EmbeddedError(f"The embedded database did not start: {reason}; its log is {server.log}.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ledgerflow.embedded")
    parser.add_argument("action", choices=["start", "stop", "drop"])
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR)
    options = parser.parse_args()
    try:
        if options.action == "start":
            print(start(options.data_dir).url)
        elif options.action == "stop":
            print("The database was stopped." if stop(options.data_dir) else "No database was running.")
        else:
            print(f"This deletes the database in {options.data_dir}. Type yes to go on: ", end="", flush=True)
            if sys.stdin.readline().strip() != "yes":
                print("Nothing was deleted.")
                return 1
            drop(options.data_dir)
            print("The database was deleted.")
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
