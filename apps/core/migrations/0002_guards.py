from django.db import migrations

from apps.core.guards import REFUSE_FUNCTION, Refuse, append_only


class Migration(migrations.Migration):
    """People are never deleted, and their history is never rewritten."""

    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.RunSQL(REFUSE_FUNCTION, "DROP FUNCTION core_refuse()"),
        Refuse("core_user_never_deleted", event="DELETE", table="core_user"),
        Refuse("core_user_no_truncate", event="TRUNCATE", table="core_user"),
        *append_only("core_historicaluser"),
        *append_only("core_historicaluser_groups"),
        *append_only("core_historicalgroup"),
        *append_only("core_historicalgroup_permissions"),
    ]
