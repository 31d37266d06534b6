"""
Settings, all of them from the environment; docs/operations.md has the table.

LEDGERFLOW_ENV decides how strict they are. Production is the default, so that a server whose
environment was forgotten refuses to start instead of serving in the open.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from ledgerflow.environment import Environment
from ledgerflow.theme import UNFOLD  # noqa: F401

BASE_DIR = Path(__file__).resolve().parent.parent
SAMPLE_SECRET_KEY = "sample-key-for-development-only-never-for-a-server"  # noqa: S105

env = Environment()

ENVIRONMENT = env.choice("LEDGERFLOW_ENV", among={"development", "production", "test"}, default="production")
PRODUCTION = ENVIRONMENT == "production"

DEBUG = env.flag("DEBUG", default=ENVIRONMENT == "development")
SECRET_KEY = env.str("SECRET_KEY", default="" if PRODUCTION else SAMPLE_SECRET_KEY)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
TRUSTED_PROXY = env.flag("TRUSTED_PROXY", default=False)

if PRODUCTION:
    if DEBUG:
        raise ImproperlyConfigured("DEBUG must be off in production.")
    if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5 or "sample" in SECRET_KEY:
        raise ImproperlyConfigured("SECRET_KEY must be a random text of 50 characters or more in production.")
    if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts this server answers for in production.")

INSTALLED_APPS = [
    "apps.core.apps.CoreConfig",  # first: its templates win over Unfold's
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "apps.core.apps.GroupsConfig",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "import_export",
    "simple_history",
    "apps.core.apps.SignInsConfig",
    "apps.backups",  # before dbbackup: its commands win
    "dbbackup",
    "procrastinate.contrib.django",
    "apps.profiles",
    "apps.ledger",
]

MIDDLEWARE = [
    "apps.core.health.HealthMiddleware",  # before host and HTTPS checks: probes come from inside
    "django.middleware.security.SecurityMiddleware",
    *(["whitenoise.middleware.WhiteNoiseMiddleware"] if PRODUCTION else []),
    "apps.core.middleware.content_security_policy",
    "apps.core.middleware.no_nul_in_addresses",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "apps.core.middleware.sliding_session",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it answers a locked-out sign-in
]

ROOT_URLCONF = "ledgerflow.urls"
WSGI_APPLICATION = "ledgerflow.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database: PostgreSQL only. Month ends and "today" follow the practice's zone, the server keeps UTC.
DATABASES = {
    "default": {
        **env.database("DATABASE_URL"),
        "ENGINE": "apps.core.postgresql",  # Django's, which outlives a restore
        "CONN_MAX_AGE": 0 if ENVIRONMENT == "test" else 60,
        "CONN_HEALTH_CHECKS": True,  # a connection lost to a restart or a restore is replaced unseen
    }
}
if _database := env.str("LEDGERFLOW_DATABASE_NAME", default=""):  # another of the server: a copy to test
    DATABASES["default"]["NAME"] = _database
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Nothing is cached between requests: a web node keeps no state, and a right taken away ends at once.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

TIME_ZONE = env.time_zone("TIME_ZONE", default="UTC")
USE_TZ = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
USE_I18N = True
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = ["ledgerflow.formats"]

# Who may sign in, and for how long
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "apps.profiles.access.StaffAccessBackend",
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SESSION_COOKIE_AGE = 60 * 60 * env.number("SESSION_HOURS", default=8, most=24 * 14)
SESSION_EXPIRE_AT_BROWSER_CLOSE = False

AXES_FAILURE_LIMIT = env.number("SIGN_IN_ATTEMPTS", default=5, most=100)
AXES_COOLOFF_TIME = timedelta(minutes=env.number("SIGN_IN_PAUSE_MINUTES", default=15, most=24 * 60))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # else anyone could keep a colleague out for ever
AXES_CLIENT_IP_CALLABLE = "apps.core.middleware.client_address"
AXES_LOCKOUT_TEMPLATE = "core/locked_out.html"
AXES_ENABLE_ADMIN = False  # core registers its own, in Unfold's clothes
AXES_VERBOSE = False

# A long entry is a form of thousands of fields, and a text that is too long is answered with a sentence
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 2**20

# HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY else None
X_FRAME_OPTIONS = "SAMEORIGIN"  # Unfold opens related records in a frame of the same page
SILENCED_SYSTEM_CHECKS = ["security.W019"]  # which asks for DENY

# Files
STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))()
MEDIA_ROOT = env.path("MEDIA_ROOT", default=str(BASE_DIR / "media"))()
BACKUP_DIR = env.path("BACKUP_DIR", default=str(BASE_DIR / "backups"))()
ATTACHMENT_MB = env.number("ATTACHMENT_MB", default=20, most=200)
OFFSITE_BUCKET = env.str("OFFSITE_BUCKET", default="")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "attachments": {"BACKEND": "apps.ledger.storage.WriteOnceStorage"},
    "imports": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "journals": {"BACKEND": "apps.ledger.storage.JournalStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
    "offsite": {
        "BACKEND": "apps.backups.offsite.bucket.OffsiteBucket",
        "OPTIONS": {
            "bucket_name": OFFSITE_BUCKET,
            "endpoint_url": env.endpoint("OFFSITE_ENDPOINT", default="") or None,
            "region_name": env.str("OFFSITE_REGION", default="") or None,
            "access_key": env.str("OFFSITE_ACCESS_KEY", default="") or None,
            "secret_key": env.str("OFFSITE_SECRET_KEY", default="") or None,
            "location": env.str("OFFSITE_PREFIX", default="").strip("/"),
        },
    },
    "dbbackup": {
        "BACKEND": "apps.backups.storage.BackupStorage",
        "OPTIONS": {
            "location": BACKUP_DIR,
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}

# Backups
DBBACKUP_DATABASES = ["default"]
DBBACKUP_HOSTNAME = "ledgerflow"
DBBACKUP_DATE_FORMAT = "%Y-%m-%d-%H%M%S-%f"  # two backups in one second must not share a name


def DBBACKUP_FILENAME_TEMPLATE(*, databasename: str, servername: str, extension: str, **parts: str) -> str:  # noqa: N802
    """Name a backup by UTC: local time runs through one hour twice every autumn."""
    return f"{databasename}-{servername}-{datetime.now(UTC).strftime(DBBACKUP_DATE_FORMAT)}.{extension}"


DBBACKUP_CONNECTORS = {"default": {"CONNECTOR": "apps.backups.connector.LedgerFlowConnector"}}
DBBACKUP_BACKUP_METADATA_SETTER = "apps.backups.connector.describe"
DBBACKUP_SEND_EMAIL = False
BACKUP_BEFORE_MIGRATE = env.flag("BACKUP_BEFORE_MIGRATE", default=ENVIRONMENT != "test")
# When the worker backs up and tests (cron, the practice's clock is UTC there), and when Today turns red.
# By hand and gentler in development; tests do it themselves.
_SCHEDULES = {
    "production": ("7 * * * *", "37 1 * * *", 2, 26),
    "development": ("7 */6 * * *", "37 1 * * *", 48, 24 * 8),
    "test": ("off", "off", 2, 26),
}
_BACKUP, _TEST, _WITHIN, _TESTED_WITHIN = _SCHEDULES[ENVIRONMENT]
BACKUP_SCHEDULE = env.cron("BACKUP_SCHEDULE", default=_BACKUP)
BACKUP_TEST_SCHEDULE = env.cron("BACKUP_TEST_SCHEDULE", default=_TEST)
BACKUP_TESTS_A_NIGHT = env.number("BACKUP_TESTS_A_NIGHT", default=24, most=1000)
BACKUP_WITHIN_HOURS = env.number("BACKUP_WITHIN_HOURS", default=_WITHIN, most=24 * 366)
BACKUP_TESTED_WITHIN_HOURS = env.number("BACKUP_TESTED_WITHIN_HOURS", default=_TESTED_WITHIN, most=24 * 366)
BACKUP_KEEP = {
    "hours": env.number("BACKUP_KEEP_HOURS", default=48, most=24 * 366),
    "days": env.number("BACKUP_KEEP_DAYS", default=14, most=3660),
    "weeks": env.number("BACKUP_KEEP_WEEKS", default=8, most=522),
    "months": env.number("BACKUP_KEEP_MONTHS", default=24, most=1200),
    "years": env.number("BACKUP_KEEP_YEARS", default=10, most=100),
}
# Going back to any minute: the folder that archiver.sh keeps, and when the worker asks it for what.
ARCHIVE_FOLDER = env.str("ARCHIVE_FOLDER", default="")
if ARCHIVE_FOLDER:
    ARCHIVE_FOLDER = str(BASE_DIR / ARCHIVE_FOLDER)
ARCHIVE_BASE_SCHEDULE = env.cron("ARCHIVE_BASE_SCHEDULE", default="23 2 * * *")
ARCHIVE_DRILL_SCHEDULE = env.cron("ARCHIVE_DRILL_SCHEDULE", default="53 3 * * 0")
ARCHIVE_KEEP_DAYS = env.number("ARCHIVE_KEEP_DAYS", default=14, most=366)
# Copies off site, of what was tested; for whom they are encrypted
OFFSITE_SCHEDULE = env.cron("OFFSITE_SCHEDULE", default="off" if ENVIRONMENT == "test" else "17 * * * *")
OFFSITE_WITHIN_HOURS = env.number("OFFSITE_WITHIN_HOURS", default=26, most=24 * 366)
OFFSITE_PRUNE = env.flag("OFFSITE_PRUNE", default=False)
BACKUP_RECIPIENTS = env.recipients("BACKUP_RECIPIENTS")
PG_BIN = env.str("LEDGERFLOW_PG_BIN", default="")

# Jobs
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "tasks"
PROCRASTINATE_IMPORT_PATHS = ["tests.tasks"] if ENVIRONMENT == "test" else []

# History: every change, by whom and why
SIMPLE_HISTORY_REVERT_DISABLED = True
SIMPLE_HISTORY_HISTORY_CHANGE_REASON_USE_TEXT_FIELD = True
SIMPLE_HISTORY_DATE_INDEX = "Composite"

IMPORT_EXPORT_IMPORT_PERMISSION_CODE = "import"
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "export"
IMPORT_EXPORT_SKIP_ADMIN_LOG = True

LOG_LEVEL = env.choice("LOG_LEVEL", among={"DEBUG", "INFO", "WARNING", "ERROR"}, default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        "dbbackup": {"propagate": False, "level": "CRITICAL"},  # what failed is told as a sentence
        "procrastinate.blueprints": {"level": "WARNING"},  # a line at every start
        "procrastinate.periodic": {"level": "WARNING"},  # a line every minute
    },
}
