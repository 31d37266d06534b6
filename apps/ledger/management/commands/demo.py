import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import CommandError
from django.core.management.base import BaseCommand
from django.db import transaction

from apps.core.models import User
from apps.ledger.demo import make_books
from apps.ledger.services.checking import check_all_books
from apps.profiles.groups import AUDITORS, BACKUPS
from apps.profiles.models import Client, LegalForm, Numbering, StaffAccess, TaxForm
from apps.profiles.roles import Role

CLIENTS = [
    {
        "code": "ACORN",
        "name": "Acorn Bakery",
        "legal_form": LegalForm.SOLE_TRADER,
        "tax_form": TaxForm.SCHEDULE_C,
    },
    {"code": "BLUEBELL", "name": "Bluebell Design Ltd", "legal_form": LegalForm.COMPANY, "country": "GB"},
    {"code": "CEDAR", "name": "Cedar Housing eV", "legal_form": LegalForm.NON_PROFIT, "country": "DE"},
]
STAFF = {  # role at Acorn; each is a viewer of Bluebell, and only the manager sees Cedar
    Role.VIEWER: ("Vera", "Lind"),
    Role.PREPARER: ("Paul", "Ortega"),
    Role.REVIEWER: ("Ruth", "Okafor"),
    Role.MANAGER: ("Mona", "Keller"),
}


class Command(BaseCommand):
    help = "Load a small practice to try things with: three clients with books, one person per role."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--passwords", type=Path, default=settings.BASE_DIR / "var" / "demo-passwords.txt"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo is not loaded into production.")
        if User.objects.exists():
            raise CommandError("There are people in this database already: the demo is for an empty one.")
        passwords: dict[str, str] = {}
        with transaction.atomic():
            self._load(passwords)
            self._keep(passwords, options["passwords"])
        check_all_books()  # as the worker does each night

    def _load(self, passwords: dict[str, str]) -> None:
        currencies = {"GB": "GBP", "DE": "EUR"}
        acorn, bluebell, cedar = (
            Client.objects.create(
                **{"base_currency": currencies.get(str(facts.get("country")), "USD"), **facts},
                numbering=Numbering.EUROPEAN if facts.get("country") == "DE" else Numbering.US,
            )
            for facts in CLIENTS
        )
        for role, (first, last) in STAFF.items():
            person = self._person(role.value, first, last, passwords)
            StaffAccess.objects.create(user=person, client=acorn, role=role)
            StaffAccess.objects.create(user=person, client=bluebell, role=Role.VIEWER)
        StaffAccess.objects.create(user=person, client=cedar, role=Role.MANAGER)
        self._person("auditor", "Anna", "Brandt", passwords).groups.add(Group.objects.get(name=AUDITORS))
        self._person("backups", "Ben", "Moreau", passwords).groups.add(Group.objects.get(name=BACKUPS))
        owner = self._person("owner", "Olga", "Hart", passwords, is_superuser=True)
        for client in (acorn, bluebell, cedar):
            make_books(client, by=owner, with_last_year=client == acorn)

    def _person(
        self, username: str, first: str, last: str, passwords: dict[str, str], **rights: bool
    ) -> User:
        passwords[username] = secrets.token_urlsafe(9)
        return User.objects.create_user(
            username,
            f"{username}@example.com",
            passwords[username],
            first_name=first,
            last_name=last,
            **rights,
        )

    def _keep(self, passwords: dict[str, str], path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text("".join(f"{name:<10} {password}\n" for name, password in passwords.items()))
