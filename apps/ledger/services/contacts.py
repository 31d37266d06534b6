"""Tax ids of contacts: who sees or changes one is written down."""

from django.db.models import QuerySet

from apps.core.access import visible
from apps.core.models import User
from apps.ledger.models import Contact, TaxIdAccess, TaxIdEvent
from apps.ledger.services.transactions import refusals_as_sentences, require

REVEAL = "ledger.reveal_contact"


def reveal_tax_id(contact: Contact, *, by: User) -> str:
    """
    Return a contact's tax id in full, and write down who saw it.

    Raises PermissionDenied: a viewer does not need it.
    """
    require(by, REVEAL, contact)
    _write_down(contact, TaxIdEvent.REVEALED, by)
    return contact.tax_id


def reveal_tax_ids(contacts: QuerySet[Contact], *, by: User) -> QuerySet[Contact]:
    """Return those of the contacts whose tax ids somebody may reveal, and write down that they did."""
    mine = visible(contacts, by, REVEAL)
    known = mine.exclude(tax_id="").order_by("pk").select_related("client")
    TaxIdAccess.objects.bulk_create(
        [
            TaxIdAccess(
                client=one.client, contact_id=one.pk, contact_name=one.name, what=TaxIdEvent.REVEALED, by=by
            )
            for one in known.iterator(chunk_size=2000)
        ],
        batch_size=2000,
    )
    return mine


def change_tax_id(contact: Contact, tax_id: str, *, by: User) -> None:
    """
    Give a contact another tax id, or none with an empty text, and write down who did.

    The history of the contact leaves it out. Raises PermissionDenied, and ValidationError for a text that
    is too long.
    """
    require(by, "ledger.change_contact", contact)
    contact.tax_id = Contact._meta.get_field("tax_id").clean(tax_id.strip(), contact)
    with refusals_as_sentences():
        Contact.objects.filter(pk=contact.pk).update(tax_id=contact.tax_id)
        _write_down(contact, TaxIdEvent.CHANGED, by)


def _write_down(contact: Contact, what: TaxIdEvent, by: User) -> None:
    TaxIdAccess.objects.create(
        client=contact.client, contact_id=contact.pk, contact_name=contact.name, what=what, by=by
    )
