"""The bucket: a few verbs over django-storages' S3, which fail with a sentence."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)
from django.core.exceptions import ValidationError
from django.core.files.storage import storages
from django.utils.translation import gettext as _
from storages.backends.s3 import S3Storage

# Newer checksums than S3 asks for are refused by some servers that speak it, and what is sent is read back.
CLIENT = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 3},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
# One part at a time, in this thread: memory stays at a part, and a report may raise to stop it.
TRANSFER = TransferConfig(multipart_threshold=16 * 2**20, multipart_chunksize=16 * 2**20, use_threads=False)
NO_BUCKET = {"NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed"}
NOT_THERE = {"NoSuchKey", "404", "NotFound"}
NOT_ALLOWED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "Forbidden"}

#: Of these the whole bucket is out of reach, so that trying the next object is of no use.
OUT_OF_REACH = {"away", "bucket", "refused"}


class OffsiteBucket(S3Storage):
    """
    Keeps objects by their names. What the server says is told as ValidationError: code ``away``, ``bucket``,
    ``refused`` or ``missing``.

    Django's own ``save`` never writes over an object; ``put`` does, for a copy that was not whole.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.endpoint_url:  # a server of one's own seldom has a name for each bucket
            self.client_config = CLIENT.merge(Config(s3={"addressing_style": "path"}))

    def get_default_settings(self) -> dict[str, Any]:
        ours = {"client_config": CLIENT, "transfer_config": TRANSFER, "file_overwrite": False}
        return cast(dict[str, Any], super().get_default_settings() | ours)

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Return the names of all objects, and how many bytes each takes."""
        with self._in_words():
            listed = self.bucket.objects.filter(Prefix=self._key(prefix))
            return {one.key.removeprefix(self._key("")): one.size for one in listed}

    def put(self, name: str, path: Path, facts: dict[str, str], tell: Callable[[int], object]) -> None:
        """Send a file, with facts that are kept with it; whole or not at all."""
        sent, raised = 0, []

        def heard(size: int) -> None:
            nonlocal sent
            sent += size
            try:
                tell(sent)
            except BaseException as error:  # boto3 would wrap it, and try again
                raised.append(error)
                raise

        with self._in_words(name), open(path, "rb") as file:
            try:
                self._object(name).upload_fileobj(
                    file, ExtraArgs={"Metadata": facts}, Callback=heard, Config=self.transfer_config
                )
            except BaseException:
                if raised:
                    raise raised[0] from None
                raise

    @contextmanager
    def reading(self, name: str) -> Iterator[tuple[Any, dict[str, str]]]:
        """Give an object's stream, and the facts that were kept with it."""
        with self._in_words(name):
            answer = self._object(name).get()
            with closing(answer["Body"]) as body:
                yield body, answer["Metadata"]

    def remove(self, names: Iterable[str]) -> None:
        """Delete objects; one that is gone already is no error."""
        for name in names:
            with self._in_words(name):
                self._object(name).delete()

    def _key(self, name: str) -> str:
        prefix = self.location.strip("/")
        return f"{prefix}/{name}" if prefix else name

    def _object(self, name: str) -> Any:
        return self.bucket.Object(self._key(name))

    @contextmanager
    def _in_words(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._refusal(str(error.response.get("Error", {}).get("Code", "")), name) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ValidationError(
                _("OFFSITE_ACCESS_KEY and OFFSITE_SECRET_KEY are not set."), code="refused"
            ) from error
        except (BotoCoreError, Boto3Error, HTTPClientError, IncompleteReadError, ValueError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, ClientError) else None
            if cause:
                raise self._refusal(str(cause.response.get("Error", {}).get("Code", "")), name) from error
            raise ValidationError(
                _("The bucket %(bucket)s does not answer (%(why)s).")
                % {"bucket": self.bucket_name, "why": type(error).__name__},
                code="away",
            ) from error

    def _refusal(self, why: str, name: str) -> ValidationError:
        facts = {"bucket": self.bucket_name, "why": why, "name": name}
        if why in NO_BUCKET:
            return ValidationError(_("There is no bucket %(bucket)s there (%(why)s).") % facts, code="bucket")
        if why in NOT_ALLOWED:
            return ValidationError(
                _("The bucket %(bucket)s refuses the access key (%(why)s).") % facts, code="refused"
            )
        if why in NOT_THERE:
            return ValidationError(_("%(name)s is missing from the bucket.") % facts, code="missing")
        return ValidationError(
            _("The bucket %(bucket)s refuses what was asked (%(why)s).") % facts, code="away"
        )


def offsite() -> OffsiteBucket:
    return cast(OffsiteBucket, storages["offsite"])
