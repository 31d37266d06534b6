"""Start LedgerFlow from fresh clones, as people do and as things go wrong; exit 1 when one start fails.

    python tests/starts.py [--only WORD]

Every start goes through `make run` in a clone of the last commit, and counts when somebody has signed in over
HTTP. Root runs all of them; for others those that need root are left out, and said to be.
"""

import argparse
import http.cookiejar
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
IS_ROOT = os.geteuid() == 0
SECONDS_TO_SERVE, SECONDS_TO_END, SECONDS_TO_REFUSE = 300, 15, 15
SECOND_START_GOAL = 5.0  # seen: 2 on a quiet machine, up to 4 beside the tests
SHARED_VENV = {"VENV": str(REPOSITORY / ".venv")}
CAPABILITIES_IN_CONTAINERS = (  # what Docker leaves to root
    "+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,+setpcap,"
    "+net_bind_service,+sys_chroot,+kill,+audit_write"
)
BROWSER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback, whatever http_proxy says
# A start must not depend on what the caller of this script had set.
UNWANTED = {"DATABASE_URL", "LEDGERFLOW_PG_BIN", "LEDGERFLOW_ENV", "VENV", "PYTHON", "MAKEFLAGS", "MAKELEVEL"}


class Failure(Exception):
    """What a start did that it must not do."""


def expect(condition: object, complaint: str) -> None:
    if not condition:
        raise Failure(complaint)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Clone:
    """A fresh clone, and the account and environment it is used with."""

    folder: Path
    prefix: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    running: subprocess.Popen[bytes] | None = None
    began: float = 0.0

    def __post_init__(self) -> None:
        command = ["git", "clone", "--quiet", "--no-hardlinks", REPOSITORY, self.folder]
        subprocess.run(command, check=True)

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def passwords(self) -> str:
        return (self.folder / "var" / "demo-passwords.txt").read_text()

    def make(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Run make in a session of its own, so that all it starts can be signalled at once, and only that."""
        inherited = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        return subprocess.Popen(
            [*self.prefix, "make", *arguments],
            cwd=self.folder,
            env=inherited | self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def start(self) -> float:
        """Return the seconds from `make run` to the first page."""
        self.begin()
        return self.wait_for_page()

    def begin(self) -> None:
        self.began = time.monotonic()
        self.running = self.make("run", f"PORT={self.port}")

    def wait_for_page(self) -> float:
        assert self.running
        while time.monotonic() - self.began < SECONDS_TO_SERVE:
            try:
                with BROWSER.open(f"http://127.0.0.1:{self.port}/admin/login/", timeout=10):
                    return time.monotonic() - self.began
            except (urllib.error.URLError, ConnectionError):
                expect(self.running.poll() is None, f"make run ended: {self.output()}")
                time.sleep(0.05)
        raise Failure(f"no page after {SECONDS_TO_SERVE} s: {self.output()}")

    def output(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def sign_in_all(self) -> None:
        for line in self.passwords.splitlines():
            sign_in(self.port, *line.split())

    def interrupt(self) -> None:
        """Press Ctrl-C: everything ends but the database."""
        assert self.running
        os.killpg(self.running.pid, signal.SIGINT)
        self.wait_for_end("Ctrl-C")

    def stop(self) -> None:
        """Call `make stop`, which ends the database and a `make run` that uses it."""
        expect(self.make("stop").wait(SECONDS_TO_END) == 0, f"make stop failed: {self.output()}")
        if self.running and self.running.poll() is None:
            self.wait_for_end("make stop")
        expect(not (self.folder / "var/pg/postmaster.pid").exists(), "the database outlived make stop")

    def wait_for_end(self, request: str) -> None:
        assert self.running
        try:
            self.running.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            raise Failure(f"make run did not end {SECONDS_TO_END} s after {request}") from None
        deadline = time.monotonic() + SECONDS_TO_END
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    return probe.bind(("127.0.0.1", self.port))
                except OSError:
                    time.sleep(0.1)
        raise Failure(f"port {self.port} was still held {SECONDS_TO_END} s after {request}")

    def kill_supervisor(self) -> None:
        """End by kill -9 only the process that make runs; its children have to notice."""
        assert self.running
        make = self.running.pid
        os.kill(int(Path(f"/proc/{make}/task/{make}/children").read_text()), signal.SIGKILL)
        self.wait_for_end("kill -9 of the supervisor")

    def kill_all(self) -> None:
        """End make, supervisor, web server, worker and database by kill -9."""
        assert self.running
        postmaster = int((self.folder / "var/pg/postmaster.pid").read_text().split()[0])
        os.killpg(self.running.pid, signal.SIGKILL)
        os.kill(postmaster, signal.SIGKILL)
        self.wait_for_end("kill -9")


def sign_in(port: int, username: str, password: str) -> None:
    """Sign in as a browser does, up to the start page."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
    address = f"http://127.0.0.1:{port}/admin/login/?next=/admin/"
    page = browser.open(address, timeout=30).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    expect(token, "the sign-in page has no form")
    form = {"username": username, "password": password, "csrfmiddlewaretoken": token[1], "next": "/admin/"}
    request = urllib.request.Request(address, urllib.parse.urlencode(form).encode(), {"Referer": address})
    with browser.open(request, timeout=30) as answer:
        signed_in = answer.status == 200 and urllib.parse.urlsplit(answer.url).path == "/admin/"
    expect(signed_in, f"{username} was not signed in")


@contextmanager
def workplace() -> Iterator[Path]:
    """Return a folder that every account may pass through, and end all that was started below it."""
    folder = Path(tempfile.mkdtemp(prefix="ledgerflow-starts-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        for data_dir in folder.glob("*/var/pg"):
            stop = [sys.executable, "-m", "ledgerflow.embedded", "stop", "--data-dir", data_dir]
            subprocess.run(stop, cwd=REPOSITORY, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def twice(clone: Clone) -> tuple[float, float]:
    """Start, sign in as everybody, end; start again, find the same people; return the seconds of both."""
    first = clone.start()
    clone.sign_in_all()
    clone.interrupt()
    clone.stop()
    before = clone.passwords
    second = clone.start()
    expect(clone.passwords == before, "the second start loaded the demo again")
    clone.sign_in_all()
    clone.stop()
    return first, second


def root_in_namespace(folder: Path) -> tuple[float, float]:
    return twice(Clone(folder / "clone"))


def root_without_namespaces(folder: Path) -> tuple[float, float]:
    """Run the starts as root is in most containers: no user namespaces, and few capabilities.

    It is a user namespace that allows no further ones.
    """
    ready, told = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.unshare(os.CLONE_NEWUSER)
        os.write(ready[1], b"x")
        os.read(told[0], 1)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        limits = ["setpriv", f"--bounding-set=-all,{CAPABILITIES_IN_CONTAINERS}"]
        os.execvp(limits[0], [*limits, sys.executable, __file__, "--inside", str(folder)])  # noqa: S606
    os.read(ready[0], 1)
    for kind in ("uid_map", "gid_map"):
        Path(f"/proc/{child}/{kind}").write_text("0 0 65536")
    os.write(told[1], b"x")
    _, status = os.waitpid(child, 0)
    result = folder / "result"
    expect(status == 0 and result.exists(), result.read_text() if result.exists() else "no result")
    first, second = result.read_text().split()
    return float(first), float(second)


def inside(folder: Path) -> int:
    """Be the child of root_without_namespaces."""
    result = folder / "result"
    try:
        refused = subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode
        expect(refused, "user namespaces are allowed here, so nothing would be tested")
        times = twice(Clone(folder / "clone", environment=SHARED_VENV))
        owner = (folder / "clone/var/pg").stat().st_uid
        expect(owner != 0, "PostgreSQL ran as root's own account")
        result.write_text("{} {}".format(*times))
    except Failure as failure:
        result.write_text(str(failure))
        return 1
    return 0


def ordinary_user(folder: Path) -> tuple[float, float]:
    """Start as somebody who is not root, with a home and an interpreter that this account can reach."""
    if not IS_ROOT:
        return twice(Clone(folder / "clone", environment={"PYTHON": os.path.realpath(sys.executable)}))
    account = pwd.getpwnam("nobody")
    prefix = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    environment = {"HOME": str(folder / "home"), "PYTHON": os.path.realpath(sys.executable)}
    reachable = (
        subprocess.run([*prefix, environment["PYTHON"], "-c", ""], capture_output=True).returncode == 0
    )
    if not reachable:
        # The interpreter may lie in root's private home.
        leave_out = shutil.ignore_patterns("site-packages", "test", "*.a")
        shutil.copytree(sys.base_prefix, folder / "python", symlinks=True, ignore=leave_out)
        environment["PYTHON"] = str(folder / "python/bin" / Path(environment["PYTHON"]).name)
        environment["LD_LIBRARY_PATH"] = str(folder / "python/lib")
    (folder / "home").mkdir()
    clone = Clone(folder / "clone", prefix, environment)
    for path in (folder / "home", clone.folder, *clone.folder.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    times = twice(clone)
    owner = (clone.folder / "var/pg").stat().st_uid
    expect(owner == account.pw_uid, "PostgreSQL did not run as that account")
    return times


def killed(folder: Path) -> tuple[float, float]:
    clone = Clone(folder / "clone", environment=SHARED_VENV)
    first, before = clone.start(), clone.passwords
    clone.kill_supervisor()
    clone.start()
    clone.kill_all()
    second = clone.start()
    expect(clone.passwords == before, "the data did not survive kill -9")
    clone.sign_in_all()
    clone.stop()
    return first, second


def two_at_once(folder: Path) -> tuple[float, float]:
    one, other = (Clone(folder / name, environment=SHARED_VENV) for name in ("one", "other"))
    one.begin()
    other.begin()
    first = max(one.wait_for_page(), other.wait_for_page())
    expect(one.passwords != other.passwords, "the clones share a database")
    one.stop()
    other.sign_in_all()
    second = one.start()
    one.sign_in_all()
    one.stop()
    other.stop()
    return first, second


def refuses(clone: Clone, pattern: str, **environment: str) -> float:
    """Return the seconds in which `make run` ended with one sentence that matches."""
    began = time.monotonic()
    process = clone.make("run", f"PORT={clone.port}", **environment)
    try:
        code = process.wait(SECONDS_TO_REFUSE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(SECONDS_TO_END)
        raise Failure(f"did not end in {SECONDS_TO_REFUSE} s: {clone.output()}") from None
    progress = ("make: ", "make[", "Applying ", "Loading ", "There is no Python 3.12")
    said = [line for line in clone.output().splitlines() if not line.startswith(progress)]
    expect(code != 0, "exit code 0")
    expect(len(said) == 1 and re.search(pattern, said[0]), f"said {said}")
    return time.monotonic() - began


def busy_port(folder: Path) -> float:
    clone = Clone(folder / "clone", environment=SHARED_VENV)
    with socket.create_server(("127.0.0.1", clone.port)):
        seconds = refuses(clone, f"Port {clone.port} is in use; take another: make run PORT=")
    clone.stop()
    return seconds


def refusing_database(folder: Path) -> float:
    clone = Clone(folder / "clone", environment=SHARED_VENV)
    url = f"postgres://somebody:secret@127.0.0.1:{free_port()}/books"
    seconds = refuses(clone, "DATABASE_URL names does not answer: Connection refused", DATABASE_URL=url)
    expect("secret" not in clone.output(), "the password was shown")
    return seconds


def silent_database(folder: Path) -> float:
    clone = Clone(folder / "clone", environment=SHARED_VENV)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgres://somebody:secret@127.0.0.1:{silent.getsockname()[1]}/books"
        seconds = refuses(clone, "DATABASE_URL names does not answer: .*timeout", DATABASE_URL=url)
    expect("secret" not in clone.output(), "the password was shown")
    return seconds


def full_disk(folder: Path, megabytes: int) -> float:
    """Give var/ a small disk of its own, in a mount namespace that ends with the start."""
    script = """
        trap : INT; mkdir var && mount -t tmpfs -o size="$0" tmpfs var || exit 0
        "$@"; code=$?; make stop >/dev/null; exit $code"""
    prefix = ["unshare", "--mount", "sh", "-c", script, f"{megabytes}m"]
    return refuses(
        Clone(folder / "clone", prefix, SHARED_VENV), "^(CommandError: )?No space left on the disk"
    )


def old_python(folder: Path) -> float:
    """Leave on the PATH a Python that is too old and cannot install anything, and no other."""
    tools = folder / "bin"
    tools.mkdir()
    for name in ("make", "sh", "dirname", "cmp", "mkdir", "cp", "rm", "grep"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "python3").write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.11.9"\nexit 1\n')
    (tools / "python3").chmod(0o755)
    environment = {
        "PATH": str(tools),
        "HOME": str(folder),
        "PYENV_ROOT": str(folder),
        "XDG_DATA_HOME": str(folder),
    }
    return refuses(
        Clone(folder / "clone", environment=environment),
        "install Python 3.12 or newer .* or use the containers",
    )


STARTS: dict[str, tuple[Callable[[Path], tuple[float, float]], bool]] = {
    "root, in a user namespace": (root_in_namespace, True),
    "root, user namespaces refused": (root_without_namespaces, True),
    "an ordinary user": (ordinary_user, False),
    "kill -9 of everything": (killed, False),
    "a second clone at the same time": (two_at_once, False),
}
REFUSALS: dict[str, tuple[Callable[[Path], float], bool]] = {
    "busy port": (busy_port, False),
    "DATABASE_URL refused": (refusing_database, False),
    "DATABASE_URL silent": (silent_database, False),
    "disk full at initdb": (lambda folder: full_disk(folder, 8), True),
    "disk full at migrating": (lambda folder: full_disk(folder, 42), True),
    "only an old Python": (old_python, False),
}


def run_one(case: Callable[[Path], tuple[float, float] | float]) -> tuple[str, bool]:
    """Return what to print for a case, and whether it went well."""
    try:
        with workplace() as folder:
            seconds = case(folder)
    except Failure as failure:
        return f"FAILED: {failure}", False
    if isinstance(seconds, float):
        return f"one sentence after {seconds:.1f} s", True
    return f"first {seconds[0]:5.1f} s   second {seconds[1]:5.1f} s", seconds[1] <= SECOND_START_GOAL


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD", help="run those whose name has it")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return inside(options.inside)
    if subprocess.run(["make", "environment"], cwd=REPOSITORY).returncode:
        return 1
    all_well = True
    for name, (case, needs_root) in {**STARTS, **REFUSALS}.items():
        if options.only not in name:
            continue
        if needs_root and not IS_ROOT:
            print(f"{name:<34} left out: needs root")
            continue
        line, went_well = run_one(case)
        all_well &= went_well
        print(f"{name:<34} {line}", flush=True)
    return 0 if all_well else 1


if __name__ == "__main__":
    sys.exit(main())
