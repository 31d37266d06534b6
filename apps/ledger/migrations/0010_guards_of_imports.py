from django.db import migrations

from apps.core.guards import Refuse, append_only

TABLES = ["ledger_journalmapping", "ledger_journalimport", "ledger_importedentry"]


def stays_with_its_client(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_client_fixed BEFORE UPDATE ON {table} FOR EACH ROW "
        "WHEN (OLD.client_id <> NEW.client_id) EXECUTE FUNCTION ledger_client_fixed()",
        f"DROP TRIGGER {table}_client_fixed ON {table}",
    )


class Migration(migrations.Migration):
    """What came from which file stays with its client, and its history is never rewritten."""

    dependencies = [("ledger", "0009_journal_imports")]

    operations = [
        *map(stays_with_its_client, TABLES),
        *(Refuse(f"{table}_emptied", event="TRUNCATE", table=table) for table in TABLES),
        *append_only("ledger_historicaljournalmapping"),
        *append_only("ledger_historicaljournalimport"),
    ]
