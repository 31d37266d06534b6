"""Migrations can be taken back and applied again, also with people and clients in the database."""

import pytest
from django.core.management import call_command
from django.db import connection

from apps.profiles.models import Client
from tests.factories import make_client, make_staff

pytestmark = pytest.mark.django_db(transaction=True)


def guards():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname ~ '^(core|profiles)_'")
        return {name for (name,) in cursor.fetchall()}


def test_guards_can_be_taken_off_and_put_on_over_filled_tables():
    client = make_client("ACORN")
    make_staff(client, "manager")
    before = guards()
    call_command("migrate", "profiles", "0001", verbosity=0)
    call_command("migrate", "core", "0001", verbosity=0)
    assert guards() == set()
    call_command("migrate", verbosity=0)
    assert guards() == before != set()
    assert Client.objects.get() == client


def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
