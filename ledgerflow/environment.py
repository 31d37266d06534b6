"""Settings from the environment, each failure named in one line."""

from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import pyrage
from croniter import croniter
from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


class SecretFiles(FileAwareMapping):
    """NAME_FILE gives NAME from a file, without the newline that editors leave at its end."""

    def __getitem__(self, key: str) -> str:
        try:
            return super().__getitem__(key).strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{key}_FILE cannot be read: {error.strerror}.") from error


class Environment(FileAwareEnv):
    """
    django-environ, stricter: it takes any word for a false boolean and does not say which value is malformed.

    Raises ImproperlyConfigured, without the value: it may be a secret.
    """

    ENVIRON = SecretFiles()

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        try:
            if self.ENVIRON.get(var, "").startswith("$"):  # the library would take it for a reference
                return self.parse_value(self.ENVIRON[var], kwargs.get("cast"))
            return super().get_value(var, *args, **kwargs)
        except (ValueError, TypeError, KeyError) as error:
            raise ImproperlyConfigured(f"{var} is malformed: {type(error).__name__}.") from error

    def flag(self, var: str, *, default: bool) -> bool:
        """Return a boolean; only the usual words for true and false are taken."""
        word = self.str(var, default=str(default)).lower()
        if word not in _TRUE | _FALSE:
            raise ImproperlyConfigured(f"{var} must be true or false.")
        return word in _TRUE

    def choice(self, var: str, *, among: set[str], default: str) -> str:
        """Return a word out of a fixed set."""
        word: str = self.str(var, default=default)
        if word not in among:
            raise ImproperlyConfigured(f"{var} must be one of: {', '.join(sorted(among))}.")
        return word

    def number(self, var: str, *, default: int, most: int) -> int:
        """Return a whole number from 1 to ``most``."""
        value: int = self.int(var, default=default)
        if not 1 <= value <= most:
            raise ImproperlyConfigured(f"{var} must be from 1 to {most}.")
        return value

    def cron(self, var: str, *, default: str) -> str:
        """Return a schedule of five cron fields, or ``off``."""
        schedule: str = self.str(var, default=default).strip()
        if schedule != "off" and not (len(schedule.split()) == 5 and croniter.is_valid(schedule)):
            raise ImproperlyConfigured(f"{var} must be five cron fields such as 7 * * * *, or off.")
        return schedule

    def endpoint(self, var: str, *, default: str) -> str:
        """Return the address of a server, or nothing."""
        address: str = self.str(var, default=default).strip()
        if address and not (urlsplit(address).scheme in {"http", "https"} and urlsplit(address).hostname):
            raise ImproperlyConfigured(f"{var} must be an address such as https://s3.example.com.")
        return address

    def recipients(self, var: str) -> list[str]:
        """Return public keys of age, of which each is one that can be encrypted for."""
        keys = [key.strip() for key in self.list(var, default=[]) if key.strip()]
        for key in keys:
            try:
                pyrage.x25519.Recipient.from_str(key)
            except pyrage.RecipientError:
                raise ImproperlyConfigured(
                    f"{var} must be public keys such as age1…, separated by commas."
                ) from None
        return keys

    def time_zone(self, var: str, *, default: str) -> str:
        """Return the name of a time zone of the IANA database."""
        name: str = self.str(var, default=default)
        if name not in available_timezones():
            raise ImproperlyConfigured(f"{var} is not a time zone such as Europe/London.")
        return name

    def database(self, var: str) -> dict[str, Any]:
        """Return the settings of the one PostgreSQL database."""
        if not self.str(var, default=""):
            raise ImproperlyConfigured(f"{var} is not set: name the PostgreSQL database to use.")
        if self.str(var).partition("://")[0] not in {"postgres", "postgresql", "psql", "pgsql"}:
            raise ImproperlyConfigured(
                f"{var} must begin with postgres:// (LedgerFlow runs on PostgreSQL only)."
            )
        try:
            config: dict[str, Any] = self.db(var)
        except ValueError as error:  # its text would quote the address, and the password in it
            raise ImproperlyConfigured(f"{var} is malformed: {type(error).__name__}.") from None
        if not config["NAME"]:
            raise ImproperlyConfigured(f"{var} names no database: postgres://user:password@host:5432/name.")
        return config
