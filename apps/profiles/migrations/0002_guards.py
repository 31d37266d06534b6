from django.db import migrations

from apps.core.guards import append_only


class Migration(migrations.Migration):
    """The history of clients and of who may see them is never rewritten."""

    dependencies = [("profiles", "0001_initial"), ("core", "0002_guards")]

    operations = [*append_only("profiles_historicalclient"), *append_only("profiles_historicalstaffaccess")]
