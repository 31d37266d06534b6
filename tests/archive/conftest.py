import shutil

import pytest

from tests.archive.books import Archived
from tests.conftest import _dbbackup_storage_options


@pytest.fixture(scope="session")
def _archived(tmp_path_factory):
    archived = Archived(tmp_path_factory.mktemp("archived"))
    yield archived
    archived.stop()


@pytest.fixture
def archived(_archived, settings, monkeypatch):
    settings.ARCHIVE_FOLDER = str(_archived.archive)
    monkeypatch.setitem(_dbbackup_storage_options(), "location", _archived.stack.environment["BACKUP_DIR"])
    if "archive" not in _archived.stack.processes:
        _archived.stack.start_archive()
    _archived.have_base()
    yield _archived
    _archived.drop_kept()


@pytest.fixture
def spare(archived):
    """The archive, put back afterwards: a test may damage it."""
    kept = archived.archive.with_name("kept")
    shutil.rmtree(kept, ignore_errors=True)
    archived.stop_archive()
    shutil.copytree(archived.archive, kept, ignore=shutil.ignore_patterns("sockets"))
    archived.stack.start_archive()
    yield archived
    archived.stop_archive()
    shutil.rmtree(archived.archive)
    kept.rename(archived.archive)
    archived.stack.start_archive()
