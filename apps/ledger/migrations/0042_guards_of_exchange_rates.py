from django.db import migrations

from apps.core.guards import Refuse, append_only


class Migration(migrations.Migration):
    """A rate stays with its client, and its history is never rewritten."""

    dependencies = [("ledger", "0041_exchange_rates")]

    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER ledger_exchangerate_client_fixed BEFORE UPDATE ON ledger_exchangerate FOR EACH ROW "
            "WHEN (OLD.client_id <> NEW.client_id) EXECUTE FUNCTION ledger_client_fixed()",
            "DROP TRIGGER ledger_exchangerate_client_fixed ON ledger_exchangerate",
        ),
        Refuse("ledger_exchangerate_emptied", event="TRUNCATE", table="ledger_exchangerate"),
        *append_only("ledger_historicalexchangerate"),
    ]
