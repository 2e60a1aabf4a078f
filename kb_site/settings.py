"""Settings, read from the environment.

Without any setting, the site accepts connections from this machine only, with DEBUG off, an SQLite file and a generated
secret key in `var/`.

    ENVIRONMENT_FILE  a file with more settings, as NAME=value lines; quote values with spaces (default: none)
    VAR_DIR         folder of the database file, the secret key, backups and collected static files (default: var)
    STATIC_ROOT     folder of collected static files (default: VAR_DIR/static)
    SECRET_KEY      or SECRET_KEY_FILE (default: the key in VAR_DIR/secret_key, which is generated on first use)
    DATABASE_URL    e.g. postgres://user:password@host/name (default: VAR_DIR/kb.sqlite3). For failover, name every
                    server: postgres://user:password@a:5432,b:5432/name?target_session_attrs=read-write
    CACHE_URL       e.g. redis://host:6379/1 (default: the memory of each process)
    ALLOWED_HOSTS   comma-separated host names (default: this machine's own names)
    TLS             on or off: the site is served by https only (default: on if ALLOWED_HOSTS names another machine)
    PROXY           on: a proxy in front terminates TLS, overwrites X-Forwarded-Proto and X-Forwarded-For, and drops
                    header names with underscores; forwarded: it overwrites Forwarded (default: off)
    SECOND_FACTOR   on or off: publishers and managers need a second factor (default: on if other machines can connect)
    SITE_NAME       the name of the site (default: Standing Answers)
    LEAVE_URL       the target of the link “Leave this page”, a neutral page (default: Wikipedia)
    CDN_SECONDS     for how long a shared cache in front may send outdated pages (default: 0)
    KEEP_PAGES      on or off: each process caches public pages in memory until content changes (default: on)
    WORDING_BLOCKS  kinds of wording findings that prevent publishing, such as generator,undated (default: none)
    LOG_FORMAT      json (one object a line) or text (default: text at a terminal, else json)
    SENTRY_DSN      a Sentry project to report errors to; needs the extra “sentry” (default: none)
    DEBUG           on or off (default: off)
"""

import errno
import os
import sys
import warnings
from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from . import logs

BASE_DIR = Path(__file__).resolve().parent.parent
SQLITE, POSTGRESQL = "django.db.backends.sqlite3", "django.db.backends.postgresql"
env = environ.FileAwareEnv()


def read_environment_file():
    """Add the settings of ENVIRONMENT_FILE. Variables that are already set take precedence."""
    if path := os.environ.get("ENVIRONMENT_FILE"):
        try:
            with Path(path).open(encoding="utf-8") as file:
                env.read_env(file)
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(
                f"ENVIRONMENT_FILE={path} cannot be read: {error}. The user that runs the site needs to read it."
            ) from error


read_environment_file()


def flag(name: str, default: bool) -> bool:
    """Return a boolean setting. A value that is neither on nor off is an error, so that a typo disables nothing."""
    value = env.str(name, default="on" if default else "off").strip().lower()
    if value in ("on", "true", "yes", "1"):
        return True
    if value in ("off", "false", "no", "0"):
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither on nor off. Set it to “on” or “off”, or leave it out.")


def database(address: str) -> dict:
    """Return the entry of DATABASES for this address, a URL."""
    with warnings.catch_warnings(action="ignore"):  # a warning would print the address
        try:
            found = env.db_url_config(address)
        except (ImproperlyConfigured, ValueError):
            found = {}
    if found.get("ENGINE") not in (SQLITE, POSTGRESQL):
        # The message does not repeat the address, which may contain a password, since it is logged.
        raise ImproperlyConfigured(
            "DATABASE_URL is not the address of a PostgreSQL or SQLite database. Set it to something like "
            "postgres://user:password@host:5432/name or sqlite:////path/to/file, or leave it out."
        )
    # Opening a connection takes longer than a typical request.
    found |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    if found["ENGINE"] == SQLITE:
        found["OPTIONS"] = {
            # Readers do not wait for a writer, and writers wait for each other instead of failing.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        }
    else:
        # The timeouts let a request go on to another server soon if one is down. Without synchronized scans, a search
        # that ranks only some of very many matches ranks the same ones each time.
        found["OPTIONS"] = {
            "options": "-c synchronize_seqscans=off",
            "connect_timeout": 2,
            "tcp_user_timeout": 5000,
            "keepalives_idle": 5,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            **found.get("OPTIONS", {}),
        }
    return found


def secret_key() -> str:
    """Return the key from the environment, else from VAR_DIR/secret_key, which is generated on first use."""
    if key := env.str("SECRET_KEY", default=""):
        return key
    path = VAR_DIR / "secret_key"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(get_random_secret_key())
    except FileExistsError:
        pass
    if key := path.read_text().strip():
        return key
    raise ImproperlyConfigured(f"The file {path} is empty. Delete it. A new secret key is generated at the next start.")


os.umask(0o077)  # other users of the machine cannot read the files that this process writes
VAR_DIR = Path(env.str("VAR_DIR", default="var"))
VAR_DIR = VAR_DIR if VAR_DIR.is_absolute() else BASE_DIR / VAR_DIR
try:
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    if not os.access(VAR_DIR, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "no permission to write there")
except OSError as error:
    raise ImproperlyConfigured(
        f"VAR_DIR={VAR_DIR} cannot be used: {error.strerror}. The database and the secret key are stored there. Choose "
        "a folder to which this user may write."
    ) from error

LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}

DEBUG = flag("DEBUG", default=False)
SECRET_KEY = secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=sorted(LOOPBACK))
REACHABLE = not set(ALLOWED_HOSTS) <= LOOPBACK
TLS = flag("TLS", default=REACHABLE)
CDN_SECONDS = env.int("CDN_SECONDS", default=0)


def refuse_unsafe_settings():
    """Raise ImproperlyConfigured for settings that would make the site insecure."""
    if any("*" in host for host in ALLOWED_HOSTS):
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS contains “*”, so a request could make the site write links to any host. Name the hosts that "
            "readers use, separated by commas."
        )
    if not 0 <= CDN_SECONDS <= 3600:
        raise ImproperlyConfigured(
            f"CDN_SECONDS={CDN_SECONDS}: a cache would show a withdrawn answer for that long. Set it to a number "
            "from 0 to 3600, or leave it out."
        )
    if DEBUG and REACHABLE:
        raise ImproperlyConfigured(
            "DEBUG=on would show settings and data to all visitors of the hosts in ALLOWED_HOSTS. Leave out DEBUG or "
            "ALLOWED_HOSTS."
        )
    if len(SECRET_KEY) < 32 or SECRET_KEY.startswith("django-insecure-"):
        raise ImproperlyConfigured(
            "SECRET_KEY is too short or well known, so log-ins could be forged. Leave it out to have one generated in "
            "VAR_DIR, or set a key that `python -c 'import secrets; print(secrets.token_urlsafe(50))'` prints."
        )


refuse_unsafe_settings()

SECOND_FACTOR = flag("SECOND_FACTOR", default=REACHABLE)
SITE_NAME = env.str("SITE_NAME", default="Standing Answers")
KEEP_PAGES = flag("KEEP_PAGES", default=True)
WORDING_BLOCKS = env.list("WORDING_BLOCKS", default=[])
LEAVE_URL = env.str("LEAVE_URL", default="https://www.wikipedia.org/")

INSTALLED_APPS = [
    "faq.apps.FaqConfig",
    "faq.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sitemaps",
    "django.contrib.staticfiles",
    "django.forms",
    "taggit",
    "django_filters",
    "import_export",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "csp",
]

MIDDLEWARE = [
    "kb_site.logs.requests",
    # These come first, so that they also apply to responses of the middleware below.
    "csp.middleware.CSPMiddleware",
    "kb_site.middleware.admin_content_policy",
    "kb_site.middleware.security_headers",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "kb_site.middleware.compress_public_pages",
    "kb_site.middleware.remove_bidi_controls",
    "kb_site.middleware.Sessions",
    "kb_site.middleware.language_from_path",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "kb_site.urls"
WSGI_APPLICATION = "kb_site.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "kb_site.context.site",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

DATABASES = {"default": database(env.str("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'kb.sqlite3'}"))}
if DATABASES["default"]["ENGINE"] == POSTGRESQL:
    INSTALLED_APPS.append("django.contrib.postgres")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}
if "redis" in CACHES["default"]["BACKEND"]:
    # A cache that accepts connections but does not answer must not block requests.
    CACHES["default"]["OPTIONS"] = {
        "socket_connect_timeout": 1, "socket_timeout": 1, **CACHES["default"].get("OPTIONS", {}),
    }  # fmt: skip
# Data that all processes share, such as failed log-ins. Without CACHE_URL, it is stored in the database.
CACHES["shared"] = (
    CACHES["default"]
    if "CACHE_URL" in os.environ
    else {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "kb_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # with the default of 300, many log-in attempts would remove older counts
    }
)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",  # of older accounts
]
LOGIN_URL = "admin:login"

# Superusers do not see the keys and recovery codes of other accounts either.
OTP_ADMIN_HIDE_SENSITIVE_DATA = True
OTP_TOTP_ISSUER = env.str("SITE_NAME", default="Standing Answers")

# Ten failures lock out the IP address, and not the account, so that nobody can lock out an editor elsewhere.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = ["ip_address"]
AXES_CLIENT_IP_CALLABLE = "kb_site.proxies.client"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_TEMPLATE = "admin/locked_out.html"
# IP addresses are kept in the cache for that time, and in no table and no log.
AXES_HANDLER = "axes.handlers.cache.AxesCacheHandler"
AXES_CACHE = "shared"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = AXES_VERBOSE = False

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Spanish")]
FORMAT_MODULE_PATH = ["kb_site.formats"]
LOCALE_PATHS = [BASE_DIR / "faq" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR_DIR / "static")))
# Static files outside of VAR_DIR are for others, such as a web server in front or the user of a container.
_private = STATIC_ROOT.resolve().is_relative_to(VAR_DIR.resolve())
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = (0o600, 0o700) if _private else (0o644, 0o755)
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_ALLOW_ALL_ORIGINS = False  # other sites do not use these files
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "kb_site.static_files.Storage"},
}

# A public page may load style sheets and images from the site and submit forms to it, and nothing else.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "style-src": [SELF],
        "img-src": [SELF],
        "form-action": [SELF],
        # No script runs that could connect. Audit tools such as Lighthouse read robots.txt from within a page.
        "connect-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
# The form of a long answer, or of a selection of 500 questions, has thousands of fields.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
# A session ends after 12 hours, also if the browser stays open.
SESSION_COOKIE_AGE = 12 * 60 * 60

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = TLS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # for health checks on the local network
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if TLS else 0
# HSTS for subdomains and preloading (W005, W021) would affect other sites of the same domain.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
FORWARDED = env.str("PROXY", default="").strip().lower() == "forwarded"
PROXY = FORWARDED or flag("PROXY", default=False)
if PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

TAGGIT_CASE_INSENSITIVE = True

IMPORT_EXPORT_TMP_STORAGE_CLASS = "kb_site.uploads.SharedStorage"

LOG_FORMAT = env.str("LOG_FORMAT", default="text" if sys.stdout and sys.stdout.isatty() else "json")
if LOG_FORMAT not in logs.FORMATS:
    raise ImproperlyConfigured(f"LOG_FORMAT={LOG_FORMAT!r} is neither json nor text. Set it to one, or leave it out.")
LOGGING = logs.configuration(LOG_FORMAT)

if SENTRY_DSN := env.str("SENTRY_DSN", default=""):
    from . import sentry

    sentry.start(SENTRY_DSN)
