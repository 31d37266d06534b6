"""
What a file really is, by its content: a name and a browser can say anything.

PDF and the usual images are papers that prove an entry. What could run, in a browser or elsewhere, is
refused, also when it hides in one of these.
"""

import io
import re
import warnings
import zipfile

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from PIL import Image

MOST_PIXELS = 64_000_000  # a page at 600 dpi has 35 million; four bytes each while it is looked at
PDF = "application/pdf"
FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/tiff": "TIFF",
}
EXTENSIONS = {
    PDF: (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "image/tiff": (".tif", ".tiff"),
}
#: What browsers show as it is; everything else they are told to save.
SHOWN_BY_BROWSERS = {"image/png", "image/jpeg", "image/webp", "image/gif"}

_SIGNATURES = [
    (rb"%PDF-\d\.\d", PDF),
    (rb"\x89PNG\r\n\x1a\n", "image/png"),
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"RIFF....WEBP", "image/webp"),
    (rb"GIF8[79]a", "image/gif"),
    (rb"II[*+]\0|MM\0[*+]", "image/tiff"),
]
_MARKUP = re.compile(rb"<(script|html|iframe|\?php)[\s>/]|<!doctype\s+html", re.IGNORECASE)
_PADDING = b"\0 \r\n\t"


def recognise(content: bytes) -> str:
    """
    Return the type of a paper, such as ``image/png``.

    Raises ValidationError: ``empty``, ``type`` for what is no PDF or image, ``hidden`` for one that is
    something else besides, ``broken``, ``pixels``.
    """
    if not content:
        raise ValidationError(_("The file is empty."), code="empty")
    found = (kind for pattern, kind in _SIGNATURES if re.match(pattern, content, re.DOTALL))
    content_type = next(found, None)
    if content_type is None:
        raise ValidationError(_what_else(content), code="type")
    if _is_something_else_besides(content, content_type):
        raise ValidationError(
            _("Something else is hidden in this file. Print or save it anew as PDF or PNG."), code="hidden"
        )
    if content_type == PDF:
        _verify_pdf(content)
    else:
        _verify_image(content, FORMATS[content_type])
    return content_type


def _what_else(content: bytes) -> str:
    head = content[:1024].lstrip(_PADDING + b"\xef\xbb\xbf").lower()
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")):
        return _("This is an archive or an office document. Attach papers as PDF or image, one by one.")
    if b"<svg" in head:
        return _("This is an SVG drawing, which can carry programs. Save it as PDF or PNG.")
    if _MARKUP.search(head) or head.startswith((b"<?xml", b"<body", b"<head")):
        return _("This is a web page. Print it as PDF and attach that.")
    if head.startswith((b"#!", b"mz", b"\x7felf")) or head.startswith(
        (b"function", b"(function", b"import ")
    ):
        return _("This is a program, not a paper.")
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return _("This is a photo in a format that not every computer can open. Save it as JPEG.")
    return _("This is no PDF and no image (PNG, JPEG, WebP, GIF, TIFF).")


def _is_something_else_besides(content: bytes, content_type: str) -> bool:
    """Look for a web page, an archive or another paper inside or behind a paper."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        return True
    if content_type == PDF:
        behind = content[content.rfind(b"%%EOF") :] if b"%%EOF" in content else b""
        return bool(_MARKUP.search(content[:1024]) or _MARKUP.search(behind))
    if _MARKUP.search(content) or re.search(rb"%PDF-\d\.\d", content[:1024]):
        return True
    match content_type:
        case "image/png":
            return not content.rstrip(_PADDING).endswith(b"IEND\xaeB`\x82") and b"IEND\xaeB`\x82" in content
        case "image/webp":
            declared = int.from_bytes(content[4:8], "little") + 8
            return len(content.rstrip(_PADDING)) > declared + declared % 2
    return False  # cameras write more than one picture into a JPEG


def _verify_pdf(content: bytes) -> None:
    tail = content[-2048:]
    if b"%%EOF" not in tail or b"startxref" not in tail:
        raise ValidationError(
            _("This PDF is not complete. Open it and save or print it anew."), code="broken"
        )


def _verify_image(content: bytes, kind: str) -> None:
    """Decode a picture as its kind, unless it would be too large for that."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd but readable details
            with Image.open(io.BytesIO(content), formats=[kind]) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise _too_many_pixels()
                image.draft("L", (image.width // 8 or 1, image.height // 8 or 1))  # JPEG: an eighth will do
                image.load()
    except ValidationError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except Exception as error:  # decoders raise whatever a broken file makes them stumble over
        raise ValidationError(
            _("This picture is broken or not complete. Open it and save it anew."), code="broken"
        ) from error


def _too_many_pixels() -> ValidationError:
    return ValidationError(
        _("This picture has more than %(most)s million pixels. Scan it with 300 dpi.")
        % {"most": MOST_PIXELS // 1_000_000},
        code="pixels",
    )
