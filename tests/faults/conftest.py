import pytest

from tests.conftest import _dbbackup_storage_options
from tests.faults.books import Books


@pytest.fixture(scope="session")
def _books(tmp_path_factory):
    books = Books(tmp_path_factory.mktemp("books"))
    yield books
    books.stop()


@pytest.fixture
def books(_books, monkeypatch):
    """Books, one backup of them, and live ones that have gone on; as many tests as like share them."""
    folder = _books.stack.environment["BACKUP_DIR"]
    monkeypatch.setitem(_dbbackup_storage_options(), "location", folder)
    return _books
