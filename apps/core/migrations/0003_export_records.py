from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_guards"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "ordering": ["username"],
                "permissions": [("export_records", "Can export what they may see")],
                "verbose_name": "person",
                "verbose_name_plural": "people",
            },
        ),
    ]
