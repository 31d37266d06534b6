"""
What the two compose files promise: no data on anything compose removes, one door, no secret of their own.

Each promise is a check that yields a sentence when it is broken, and each is shown copies that break it.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
BACKUPS, MEDIA, DATABASE = "/app/backups", "/app/media", "/var/lib/postgresql/data"
ARCHIVE = {"django": "/app/archive", "worker": "/app/archive", "archive": "/archive"}
HOST_FOLDERS_OF_PROD = {BACKUPS, MEDIA, "/tmp", *ARCHIVE.values()}  # noqa: S108 (the container's)
ONLY_IN_PROD = {"archive"}
SAMPLES = ("SECRET_KEY", "POSTGRES_PASSWORD", "DATABASE_URL")
SECRETS = (*SAMPLES, "ARCHIVE_PASSWORD")
APPLICATION = "10001:10001"
SET_BY_THE_IMAGE = {"LEDGERFLOW_ENV", "DEBUG", "STATIC_ROOT", "MEDIA_ROOT", "BACKUP_DIR", "LEDGERFLOW_PG_BIN"}
FOR_A_CHILD_PROCESS = {"LEDGERFLOW_DATABASE_NAME"}

Tree = dict[str, Any]


@dataclass
class Stacks:
    dev: Tree
    prod: Tree
    samples: dict[str, str]
    hba: Tree

    @property
    def named(self) -> list[tuple[str, Tree]]:
        return [("dev", self.dev), ("prod", self.prod)]


@dataclass(frozen=True)
class Mount:
    source: str  # a host path, the name of a volume, or nothing for an anonymous volume
    target: str

    @property
    def is_host_path(self) -> bool:
        return self.source.startswith((".", "/", "~"))


def variables(path: str) -> dict[str, str]:
    lines = (ROOT / path).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("# "))


def interpolated(tree: Any) -> Any:
    """Return what compose makes of a file when the environment is empty and nothing stops it."""
    if isinstance(tree, dict):
        return {name: interpolated(branch) for name, branch in tree.items()}
    if isinstance(tree, list):
        return [interpolated(branch) for branch in tree]
    if isinstance(tree, str):
        return re.sub(r"\$\$|\$\{\w+:?([-?+])([^}]*)\}", _substitute, tree)
    return tree


def _substitute(found: re.Match[str]) -> str:
    if found[0] == "$$":
        return "$"
    return found[2] if found[1] == "-" else ""


@cache
def _read(path: str) -> Tree:
    return yaml.safe_load((ROOT / path).read_text())


def parse(path: str) -> Tree:
    return interpolated(_read(path))  # a copy, which a test may break


def stacks() -> Stacks:
    return Stacks(
        parse("docker-compose.dev.yml"),
        parse("docker-compose.prod.yml"),
        variables(".env.dev"),
        {"rules": hba_rules("docker/pg_hba.conf")},
    )


def hba_rules(path: str) -> list[str]:
    """Return the rules of a pg_hba.conf, each with its words one space apart."""
    words = [line.partition("#")[0].split() for line in (ROOT / path).read_text().splitlines()]
    return [" ".join(rule) for rule in words if rule]


def one_shots(stack: Tree) -> set[str]:
    """Return the services that others wait for to end."""
    waits = [wait for service in stack["services"].values() for wait in service.get("depends_on", {}).items()]
    return {name for name, wait in waits if wait["condition"] == "service_completed_successfully"}


def lasting(stack: Tree) -> dict[str, Tree]:
    return {name: service for name, service in stack["services"].items() if name not in one_shots(stack)}


def mounts(service: Tree) -> Iterator[Mount]:
    for volume in service.get("volumes", []):
        if isinstance(volume, dict):
            yield Mount(volume.get("source", ""), volume["target"])
        else:
            source, _colon, target = volume.partition(":")
            yield Mount(source, target.partition(":")[0]) if target else Mount("", source)


def mount_of(service: Tree, folder: str) -> Mount | None:
    """Return the mount that holds a folder: the deepest one above it."""
    above = [mount for mount in mounts(service) if PurePosixPath(folder).is_relative_to(mount.target)]
    return max(above, key=lambda mount: len(mount.target), default=None)


def is_external(stack: Tree, volume: str) -> bool:
    return bool((stack.get("volumes", {}).get(volume) or {}).get("external"))


def production_data_survives_down(stacks: Stacks) -> Iterator[str]:
    for name in stacks.prod.get("volumes", {}):
        if not is_external(stacks.prod, name):
            yield f"prod: down -v removes the volume {name}"
    data = mount_of(stacks.prod["services"]["db"], DATABASE)
    if data is None or not is_external(stacks.prod, data.source):
        yield "prod: the database is on no external volume"


def development_data_survives_a_restart(stacks: Stacks) -> Iterator[str]:
    data = mount_of(stacks.dev["services"]["db"], DATABASE)
    if data is None or data.source not in stacks.dev.get("volumes", {}):
        yield "dev: the database is on no named volume"


def backups_and_media_are_on_the_host(stacks: Stacks) -> Iterator[str]:
    for stack_name, stack in stacks.named:
        for service in ("django", "worker"):
            for folder in (BACKUPS, MEDIA):
                mount = mount_of(stack["services"][service], folder)
                if mount is None or not mount.is_host_path:
                    yield f"{stack_name}: {service} keeps {folder} where compose removes it"


def one_door(stacks: Stacks) -> Iterator[str]:
    services = stacks.prod["services"]
    published = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
    if published != [("django", "127.0.0.1:9000:8000")]:
        yield f"prod: more or other than the web port is published: {published}"
    yield from (
        f"prod: {name} is on the host's network" for name in services if on_host_network(services[name])
    )


def on_host_network(service: Tree) -> bool:
    return service.get("network_mode") == "host"


def every_service_is_watched(stacks: Stacks) -> Iterator[str]:
    for stack_name, stack in stacks.named:
        for name, service in lasting(stack).items():
            if not service.get("healthcheck", {}).get("test"):
                yield f"{stack_name}: {name} has no health check"
    for name, service in lasting(stacks.prod).items():
        if service.get("restart") not in ("always", "unless-stopped"):
            yield f"prod: {name} does not start again by itself"


def no_source_in_production(stacks: Stacks) -> Iterator[str]:
    for name, service in stacks.prod["services"].items():
        for mount in mounts(service):
            if mount.is_host_path and mount.target not in HOST_FOLDERS_OF_PROD:
                yield f"prod: {name} mounts {mount.source} of the host on {mount.target}"


def same_shape(stacks: Stacks) -> Iterator[str]:
    dev, prod = lasting(stacks.dev), lasting(stacks.prod)
    if dev.keys() | ONLY_IN_PROD != prod.keys():
        yield f"services differ: {sorted((dev.keys() | ONLY_IN_PROD) ^ prod.keys())}"
    for name in dev.keys() & prod.keys():
        if dev[name].get("image") != prod[name].get("image"):
            yield f"{name} runs another image in dev than in prod"
    for stack_name, stack in stacks.named:
        for name in ("django", "worker"):
            if stack["services"][name].get("build") != {"context": ".", "target": stack_name}:
                yield f"{stack_name}: {name} is not built as {stack_name}"


def no_secret_of_its_own(stacks: Stacks) -> Iterator[str]:
    for name, service in stacks.prod["services"].items():
        given = service.get("environment", {})
        for secret in given.keys() & {"SECRET_KEY", "POSTGRES_PASSWORD", "ARCHIVE_PASSWORD"}:
            if given[secret]:
                yield f"prod: {name} has a default for {secret}"
        if urlsplit(given.get("DATABASE_URL") or "").password:
            yield f"prod: {name} has a default for the password in DATABASE_URL"
    for name, secret in stacks.prod.get("secrets", {}).items():
        if secret.get("file") != "/dev/null":
            yield f"prod: the secret {name} has a default"


def missing_secrets_stop_the_start(stacks: Stacks) -> Iterator[str]:
    prepare = stacks.prod["services"]["prepare"]
    for secret in SECRETS:
        if prepare["environment"].get(secret) != "" or f"${{{secret}:?" not in prepare["command"][-1]:
            yield f"prod: prepare lets a missing {secret} pass"
    for name, service in lasting(stacks.prod).items():
        if "prepare" not in service.get("depends_on", {}):
            yield f"prod: {name} does not wait for prepare"


def no_sample_in_production(stacks: Stacks) -> Iterator[str]:
    text = json.dumps(stacks.prod) + (ROOT / ".env.prod.example").read_text()
    for name in SAMPLES:
        if stacks.samples[name] in text:
            yield f"prod: uses the sample value of {name}"
    for name, service in stacks.prod["services"].items():
        if "env_file" in service:
            yield f"prod: {name} reads a whole environment file"


def the_archive_is_on_the_host(stacks: Stacks) -> Iterator[str]:
    services, sources = stacks.prod["services"], set()
    for name, folder in ARCHIVE.items():
        mount = mount_of(services[name], folder)
        if mount is None or not mount.is_host_path:
            yield f"prod: {name} keeps {folder} where compose removes it"
        else:
            sources.add(mount.source)
    if len(sources) > 1:
        yield f"prod: services differ in the folder of the archive: {sorted(sources)}"
    if sources & {mount.source for mount in mounts(services["db"])}:
        yield "prod: the archive lies within the database's data"
    if services["archive"]["environment"].get("ARCHIVE") != ARCHIVE["archive"]:
        yield "prod: the archive writes elsewhere"
    for name in ("django", "worker"):
        if services[name]["environment"].get("ARCHIVE_FOLDER") != ARCHIVE[name]:
            yield f"prod: {name} looks for the archive elsewhere"


def the_archive_is_modest(stacks: Stacks) -> Iterator[str]:
    archive, db = stacks.prod["services"]["archive"], stacks.prod["services"]["db"]
    if archive.get("image") != db["image"]:
        yield "prod: archive has other programs than the database"
    if archive.get("user") != APPLICATION:
        yield "prod: archive is not the application's user, who reads what it writes"
    if archive.get("cap_add"):
        yield "prod: archive has capabilities"
    for name, service in lasting(stacks.prod).items():
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            yield f"prod: {name} may change its own image"


def the_log_is_for_the_archive_alone(stacks: Stacks) -> Iterator[str]:
    """Whoever reads the write-ahead log has read every table."""
    for name, service in stacks.prod["services"].items():
        given = {*service.get("environment", {}), *(secret.upper() for secret in service.get("secrets", []))}
        if name in ("db", "archive"):
            if not given.issuperset({"ARCHIVE_PASSWORD", "ARCHIVE_PASSWORD_FILE"}):
                yield f"prod: {name} lacks the archive's password"
        elif name not in one_shots(stacks.prod) and any("ARCHIVE_PASSWORD" in one for one in given):
            yield f"prod: {name} has the archive's password"
    for rule in stacks.hba["rules"]:
        _kind, databases, roles, *_rest = rule.split()
        if "replication" in databases.split(",") and roles != "ledgerflow_archive":
            yield f"pg_hba.conf: others may read the log: {rule}"


def the_database_refuses_strangers(stacks: Stacks) -> Iterator[str]:
    rules = stacks.hba["rules"]
    for rule in rules:
        kind, _databases, _roles, *address, method = rule.split()
        if kind == "local" and not address and method == "trust":
            continue  # only from inside the container
        if kind != "host" or address not in (["samenet"], ["127.0.0.1/32"]) or method != "scram-sha-256":
            yield f"pg_hba.conf: strangers may come in: {rule}"
    for needed in ("local all all trust", "host all all samenet scram-sha-256"):
        if needed not in rules:
            yield f"pg_hba.conf: lacks {needed}"
    if "host replication ledgerflow_archive samenet scram-sha-256" not in rules:
        yield "pg_hba.conf: refuses the archive"
    db = stacks.prod["services"]["db"]
    given = {config["target"]: config["source"] for config in db.get("configs", [])}
    used = re.search(r"-c hba_file=(\S+)", db.get("command", ""))
    if not used or stacks.prod["configs"].get(given.get(used[1])) != {"file": "docker/pg_hba.conf"}:
        yield "prod: db does not use docker/pg_hba.conf"


def the_database_guards_its_disk(stacks: Stacks) -> Iterator[str]:
    if not re.search(
        r"-c max_slot_wal_keep_size=[1-9]\d*GB\b", stacks.prod["services"]["db"].get("command", "")
    ):
        yield "prod: a log that nobody fetches fills the disk of the database"
    for stack_name, stack in stacks.named:
        if "--data-checksums" not in stack["services"]["db"]["environment"].get("POSTGRES_INITDB_ARGS", ""):
            yield f"{stack_name}: the database has no checksums"


CHECKS: list[Callable[[Stacks], Iterator[str]]] = [
    production_data_survives_down,
    development_data_survives_a_restart,
    backups_and_media_are_on_the_host,
    one_door,
    every_service_is_watched,
    no_source_in_production,
    same_shape,
    no_secret_of_its_own,
    missing_secrets_stop_the_start,
    no_sample_in_production,
    the_archive_is_on_the_host,
    the_archive_is_modest,
    the_log_is_for_the_archive_alone,
    the_database_refuses_strangers,
    the_database_guards_its_disk,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_compose_files_keep_their_promise(check):
    assert list(check(stacks())) == []


BROKEN = [
    ("prod", "volumes pgdata external", False, "down -v removes the volume pgdata"),
    ("prod", "volumes scratch", None, "down -v removes the volume scratch"),
    ("prod", "services db volumes", ["./data:/var/lib/postgresql/data"], "on no external volume"),
    ("prod", "services db volumes", [], "on no external volume"),
    ("dev", "services db volumes", ["/var/lib/postgresql/data"], "on no named volume"),
    ("dev", "services db volumes", [], "on no named volume"),
    ("dev", "services worker volumes", [".:/app", "backups:/app/backups"], "worker keeps /app/backups where"),
    ("dev", "services django volumes", [".:/app", "/app/media"], "django keeps /app/media where"),
    ("prod", "services django volumes", ["./media:/app/media"], "django keeps /app/backups where"),
    (
        "prod",
        "services worker volumes",
        [{"type": "volume", "target": "/app"}],
        "worker keeps /app/media where",
    ),
    ("prod", "services db ports", ["5432:5432"], "more or other than the web port"),
    ("prod", "services django ports", ["9000:8000"], "more or other than the web port"),
    ("prod", "services worker network_mode", "host", "worker is on the host's network"),
    ("prod", "services db healthcheck", {}, "db has no health check"),
    ("dev", "services worker healthcheck", {}, "worker has no health check"),
    ("prod", "services worker restart", "no", "worker does not start again"),
    ("prod", "services django volumes", [".:/app"], "django mounts . of the host on /app"),
    ("prod", "services mail", {"image": "mail"}, "services differ: ['mail']"),
    ("dev", "services db image", "postgres:16", "db runs another image"),
    ("prod", "services worker build target", "dev", "worker is not built as prod"),
    ("prod", "services django environment SECRET_KEY", "default", "django has a default for SECRET_KEY"),
    (
        "prod",
        "services db environment POSTGRES_PASSWORD",
        "default",
        "db has a default for POSTGRES_PASSWORD",
    ),
    ("prod", "services worker environment DATABASE_URL", "postgres://a:b@db/c", "password in DATABASE_URL"),
    ("prod", "secrets secret_key file", "./secret_key", "the secret secret_key has a default"),
    ("prod", "services prepare environment SECRET_KEY", "given", "lets a missing SECRET_KEY pass"),
    ("prod", "services prepare command", ["true"], "lets a missing DATABASE_URL pass"),
    ("prod", "services db depends_on", {}, "db does not wait for prepare"),
    (
        "prod",
        "services django environment TOKEN",
        stacks().samples["SECRET_KEY"],
        "sample value of SECRET_KEY",
    ),
    ("prod", "services django env_file", ".env.dev", "django reads a whole environment file"),
    ("prod", "services archive environment ARCHIVE_PASSWORD", "default", "archive has a default for ARCHIVE"),
    (
        "prod",
        "services prepare environment ARCHIVE_PASSWORD",
        "given",
        "lets a missing ARCHIVE_PASSWORD pass",
    ),
    ("prod", "services archive ports", ["5433:5432"], "more or other than the web port"),
    ("prod", "services archive depends_on", {}, "archive does not wait for prepare"),
    ("prod", "services archive healthcheck", {}, "archive has no health check"),
    ("prod", "services archive volumes", ["archive:/archive"], "archive keeps /archive where compose"),
    ("prod", "services archive volumes", ["pgdata:/archive"], "archive keeps /archive where compose"),
    ("prod", "services worker volumes", ["/app/archive"], "worker keeps /app/archive where compose"),
    ("prod", "services archive volumes", ["./other:/archive"], "differ in the folder of the archive"),
    (
        "prod",
        "services db volumes",
        ["pgdata:/var/lib/postgresql/data", "./archive:/var/lib/postgresql/data/archive"],
        "within the database's data",
    ),
    ("prod", "services archive environment ARCHIVE", "/tmp", "the archive writes elsewhere"),  # noqa: S108
    ("prod", "services worker environment ARCHIVE_FOLDER", "", "worker looks for the archive elsewhere"),
    ("prod", "services archive image", "postgres:16-bookworm", "other programs than the database"),
    ("prod", "services archive user", "postgres", "archive is not the application's user"),
    ("prod", "services archive cap_add", ["CHOWN"], "archive has capabilities"),
    ("prod", "services archive read_only", False, "archive may change its own image"),
    ("prod", "services archive cap_drop", [], "archive may change its own image"),
    ("prod", "services archive environment", {"ARCHIVE": "/archive"}, "archive lacks the archive's password"),
    ("prod", "services django environment ARCHIVE_PASSWORD", "", "django has the archive's password"),
    ("prod", "services worker secrets", ["archive_password"], "worker has the archive's password"),
    ("hba", "rules", ["host replication all samenet scram-sha-256"], "others may read the log"),
    ("hba", "rules", ["local all,replication all trust"], "others may read the log"),
    ("hba", "rules", ["host all all all scram-sha-256"], "strangers may come in"),
    ("hba", "rules", ["host all all 0.0.0.0/0 scram-sha-256"], "strangers may come in"),
    ("hba", "rules", ["host all all samenet trust"], "strangers may come in"),
    ("hba", "rules", ["host all all samenet md5"], "strangers may come in"),
    ("hba", "rules", [], "lacks local all all trust"),
    ("hba", "rules", ["local all all trust"], "refuses the archive"),
    ("prod", "services db configs", [], "db does not use docker/pg_hba.conf"),
    ("prod", "services db command", "postgres", "db does not use docker/pg_hba.conf"),
    ("prod", "services db command", "postgres", "fills the disk of the database"),
    (
        "prod",
        "services db command",
        "postgres -c max_slot_wal_keep_size=-1",
        "fills the disk of the database",
    ),
    ("prod", "services db environment POSTGRES_INITDB_ARGS", "--encoding=UTF8", "has no checksums"),
]


@pytest.mark.parametrize(("stack_name", "path", "value", "sentence"), BROKEN)
def test_a_broken_promise_is_named(stack_name, path, value, sentence):
    broken = broken_copy(stack_name, path, value)
    assert any(sentence in problem for check in CHECKS for problem in check(broken))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_each_check_meets_a_copy_that_breaks_it(check):
    assert any(list(check(broken_copy(*case))) for *case, _sentence in BROKEN)


def broken_copy(stack_name, path, value):
    broken = stacks()
    *parents, last = path.split()
    place = getattr(broken, stack_name)
    for parent in parents:
        place = place[parent]
    place[last] = value
    return broken


def test_every_variable_of_the_production_file_is_explained():
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", (ROOT / "docker-compose.prod.yml").read_text()))
    passed_on = {name for name, value in django_environment().items() if value is None}
    explained = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.prod.example").read_text(), re.MULTILINE))
    assert explained == used | passed_on


def test_every_setting_can_be_made_in_production():
    settings = (ROOT / "ledgerflow" / "settings.py").read_text()
    names = set(re.findall(r"\benv\.\w+\(\s*\"(\w+)\"", settings))
    assert names
    assert names - SET_BY_THE_IMAGE - FOR_A_CHILD_PROCESS <= django_environment().keys()


def test_the_example_for_production_holds_no_secret():
    example = variables(".env.prod.example")
    empty = ("SECRET_KEY", "POSTGRES_PASSWORD", "ARCHIVE_PASSWORD", "ALLOWED_HOSTS")
    assert {example[name] for name in empty} == {""}


def test_the_archive_is_the_user_of_the_image():
    assert f"\nUSER {APPLICATION}\n" in (ROOT / "Dockerfile").read_text()


def test_the_sample_role_and_address_agree():
    samples = stacks().samples
    assert urlsplit(samples["DATABASE_URL"]).password == samples["POSTGRES_PASSWORD"]


def django_environment() -> Tree:
    return stacks().prod["services"]["django"]["environment"]
