"""The papers that prove an entry: attached and removed, before and after it is posted."""

import hashlib
import unicodedata

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.storage import storages
from django.utils.translation import gettext as _

from apps.core.history import sign
from apps.core.models import User
from apps.ledger.models import Attachment, JournalEntry
from apps.ledger.papers import EXTENSIONS, recognise
from apps.ledger.services.transactions import refusals_as_sentences, require

LONGEST_NAME = 200


def attach(entry: JournalEntry, file: File, *, by: User) -> Attachment:
    """
    Attach a PDF or an image to an entry, a posted one too: it proves the entry and is none of its facts.

    The file is stored before the record of it, once for each content, so that no record lacks its file;
    what is refused is not stored. Raises PermissionDenied, and ValidationError: ``large``, those of
    ``recognise``, ``attached`` for a file the entry has, ``storage`` when the disk does not take it.
    """
    attachment = Attachment(client=entry.client, entry=entry, added_by=by)
    require(by, "ledger.add_attachment", attachment)
    content = _read(file)
    attachment.content_type = recognise(content)
    attachment.size, attachment.sha256 = len(content), hashlib.sha256(content).hexdigest()
    attachment.name = safe_name(file.name or "", attachment.content_type)
    if twin := Attachment.objects.filter(entry=entry, sha256=attachment.sha256).first():
        raise ValidationError(
            _("This file is attached already, as %(name)s.") % {"name": twin.name}, code="attached"
        )
    sign(attachment, by=by)
    with refusals_as_sentences():
        try:
            storages["attachments"].save(stored_name(attachment), ContentFile(content))
        except OSError as error:
            raise ValidationError(
                _("The file could not be stored (%(why)s). Tell whoever runs LedgerFlow.")
                % {"why": error.strerror},
                code="storage",
            ) from error
        attachment.save()
    return attachment


def detach(attachment: Attachment, *, by: User) -> None:
    """
    Remove a paper from its entry. The history names it, and the file stays where it is.

    Raises PermissionDenied.
    """
    require(by, "ledger.delete_attachment", attachment)
    sign(attachment, by=by)
    with refusals_as_sentences():
        attachment.delete()


def open_attachment(attachment: Attachment) -> File:
    """Open the stored file. Raises FileNotFoundError when it is gone."""
    return storages["attachments"].open(stored_name(attachment))


def stored_name(attachment: Attachment) -> str:
    return f"attachments/{attachment.sha256[:2]}/{attachment.sha256}"


def safe_name(name: str, content_type: str) -> str:
    """Return a file's own name without folders and invisible characters, with an ending that is true."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    name = "".join(" " if character.isspace() else character for character in name)
    name = "".join(character for character in name if unicodedata.category(character)[0] != "C")
    name = " ".join(name.split()).strip(". ")
    endings = EXTENSIONS[content_type]
    stem, dot, ending = name.rpartition(".")
    if not dot or f".{ending.lower()}" not in endings:
        stem, ending = name, endings[0][1:]
    return f"{stem[: LONGEST_NAME - len(ending) - 1].strip() or _('paper')}.{ending}"


def _read(file: File) -> bytes:
    most = settings.ATTACHMENT_MB * 1024 * 1024
    content = file.read(most + 1)
    if len(content) > most:
        raise ValidationError(
            _("The file is larger than %(most)s MB.") % {"most": settings.ATTACHMENT_MB}, code="large"
        )
    return content
