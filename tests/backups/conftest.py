import psycopg
import pytest
from psycopg import sql

from apps.backups import databases


@pytest.fixture(autouse=True)
def _no_copies_stay(request):
    """Restores keep the database of before; a test that made one leaves none."""
    yield
    if "transactional_db" in request.fixturenames or request.node.get_closest_marker("django_db"):
        drop_copies()


def drop_copies():
    with databases.connect(databases.MAINTENANCE, autocommit=True) as server:
        for kind in ("old", "try"):
            for copy in databases.copies(server, kind):
                databases.drop(server, copy.name)


def copies_left():
    """Return the names of all copies on the server."""
    with databases.connect(databases.MAINTENANCE, autocommit=True) as server:
        return [copy.name for kind in ("old", "try") for copy in databases.copies(server, kind)]


def execute_in(database, *statements):
    """Do something behind the back of the books: the guards are off."""
    with psycopg.connect(**superuser(database), autocommit=True) as session:
        session.execute("SET session_replication_role = replica")
        for statement in statements:
            session.execute(sql.SQL(statement))


def superuser(database):
    with databases.connect(database) as session:
        return {"host": session.info.host, "port": session.info.port, "dbname": database, "user": "postgres"}
