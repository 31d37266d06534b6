from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    """Two tax codes that differ only in case are one to whoever types them."""

    dependencies = [("ledger", "0020_index_of_histories")]

    operations = [
        migrations.RemoveConstraint("taxcode", "ledger_taxcode_code_unique"),
        migrations.AddConstraint(
            "taxcode",
            models.UniqueConstraint(
                "client",
                Upper("code"),
                name="ledger_taxcode_code_unique",
                violation_error_message="This client has a tax code with this code.",
            ),
        ),
    ]
