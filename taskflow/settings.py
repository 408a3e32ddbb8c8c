"""Settings: everything that differs between deployments comes from the environment, typed by django-environ.

The defaults are those of production, on one machine without servers. docs/operations.md lists every variable;
taskflow/checks.py says at start which of them do not fit together.
"""

import logging
import os
import sys
from datetime import timedelta
from pathlib import Path
from socket import gethostname

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from taskflow.environment import Environment, database, kept_secret_key, networks, writable_folder
from taskflow.logs import chosen_form, chosen_stream, logging_config
from taskflow.unfold import UNFOLD  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
Environment.read_env(BASE_DIR / ".env")

#: What the embedded base keeps: the database, messages, the cache, the secret key.
VAR_DIR = writable_folder("VAR_DIR", Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).absolute())

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or kept_secret_key(VAR_DIR)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
#: The first seals the secrets of connections, all open them; without any, keys derived from SECRET_KEY do.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[])
# Health probes inside the machine or container call it by these names.
ALLOWED_HOSTS = [*env.list("ALLOWED_HOSTS", default=[]), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# HTTPS is taken for granted; without it set HTTPS=false (`manage.py up` does on a loopback address).
HTTPS = env.bool("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", default=True)
SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", default=True)
if env.bool("TRUST_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
# The admin's Alpine evaluates expressions in attributes, and sets styles; nothing of ours is inline.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_celery_beat",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_structlog",
    "taskflow",
    "tenants",
    "workflows",
    "jobs",
    "automations",
]

MIDDLEWARE = [
    "taskflow.lib.problems.ApiProblems",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "taskflow.logs.RequestLog",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenants.middleware.CurrentTenant",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "axes.middleware.AxesMiddleware",
]

# Logging in: strong passwords, and a pause after failures of one name from one address.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AXES_FAILURE_LIMIT = env.int("LOGIN_ATTEMPTS", default=10)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("LOGIN_PAUSE_MINUTES", default=15))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

ROOT_URLCONF = "taskflow.urls"
WSGI_APPLICATION = "taskflow.wsgi.application"
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
            ],
        },
    },
]

# SQLite with no server by default, MySQL or MariaDB in production.
DATABASES = {"default": database(env, VAR_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
#: Where the files of jobs lie: a folder, or any storage Django knows, which web and workers must share.
FILES_DIR = Path(env.str("FILES_DIR", default=str(VAR_DIR / "files"))).absolute()
FILE_STORAGE = env.str("FILE_STORAGE", default="django.core.files.storage.FileSystemStorage")
FILE_STORAGE_OPTIONS = env.json("FILE_STORAGE_OPTIONS", default={})
if FILE_STORAGE == "django.core.files.storage.FileSystemStorage":
    FILE_STORAGE_OPTIONS = {"location": str(FILES_DIR), "file_permissions_mode": 0o600} | FILE_STORAGE_OPTIONS
STORAGES = {
    "default": {"BACKEND": FILE_STORAGE, "OPTIONS": FILE_STORAGE_OPTIONS},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
LOCALE_PATHS = [BASE_DIR / "locale"]
LOGIN_REDIRECT_URL = "/admin/"

# Celery: the fleet. On the embedded base, messages are files in a folder.
BROKER_URL = env.str("BROKER_URL", default="filesystem://")
CELERY_BROKER_URL = BROKER_URL
if BROKER_URL.startswith("filesystem:"):
    _mailbox = VAR_DIR / "broker"
    for _folder in ("messages", "control"):
        (_mailbox / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_mailbox / "messages"),
        "data_folder_out": str(_mailbox / "messages"),
        "control_folder": str(_mailbox / "control"),
        "polling_interval": 0.1,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 5, "visibility_timeout": 3600}

# Throttles count here, so it is shared by all processes.
if BROKER_URL.startswith(("redis:", "rediss:")):
    _cache = {
        "BACKEND": "taskflow.rediscache.TolerantRedisCache",
        "LOCATION": env.str("CACHE_URL", default=BROKER_URL),
        "KEY_PREFIX": "taskflow",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 1.0},
    }
else:
    _cache = {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(VAR_DIR / "cache")}
CACHES = {"default": _cache}

CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "pool.default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "jobs.tick", "schedule": 1.0, "options": {"expires": 2}},
    "count-figures": {"task": "jobs.count_figures", "schedule": 2.0, "options": {"expires": 2}},
    "send-reports": {"task": "jobs.send_reports", "schedule": 30.0, "options": {"expires": 30}},
    "poll-mail": {"task": "jobs.poll_mail", "schedule": 15.0, "options": {"expires": 15}},
    "automations": {"task": "automations.tick", "schedule": 1.0, "options": {"expires": 2}},
    "prune-files": {"task": "jobs.prune_files", "schedule": 600.0, "options": {"expires": 600}},
}

# What `manage.py up` starts; the containers use the same numbers.
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
WEB_PROCESSES = env.int("WEB_PROCESSES", default=2)
WEB_THREADS = env.int("WEB_THREADS", default=4)
WORKER_PROCESSES = env.int("WORKER_PROCESSES", default=2)

# The engine.
WORKER_POOL = env.str("WORKER_POOL", default="default")
WORKER_SLOTS = env.int("WORKER_SLOTS", default=10)
DRAIN_SLICE_SECONDS = env.float("DRAIN_SLICE_SECONDS", default=10.0)
HEARTBEAT_SECONDS = env.float("HEARTBEAT_SECONDS", default=5.0)
LEASE_SECONDS = env.float("LEASE_SECONDS", default=20.0)
STUCK_PROCESS_SECONDS = env.int("STUCK_PROCESS_SECONDS", default=60)
STOP_GRACE_SECONDS = env.float("STOP_GRACE_SECONDS", default=20.0)
CRASH_BUDGET = env.int("CRASH_BUDGET", default=3)
STEP_TIMEOUT_SECONDS = env.float("STEP_TIMEOUT_SECONDS", default=120.0)
#: How long prompts and answers of language models are kept for audit.
LLM_AUDIT_DAYS = env.int("LLM_AUDIT_DAYS", default=30)
#: Days for which exported files are kept.
EXPORT_DAYS = env.int("EXPORT_DAYS", default=7)
#: How long what rules did is kept, and what they were told: firings, those that did not match, deliveries and events.
FIRING_DAYS = env.int("FIRING_DAYS", default=90)
UNMATCHED_FIRING_DAYS = env.int("UNMATCHED_FIRING_DAYS", default=14)
DELIVERY_DAYS = env.int("DELIVERY_DAYS", default=30)
REVIEW_UNDO_SECONDS = env.float("REVIEW_UNDO_SECONDS", default=8.0)
#: Modules that register functions for `python` steps.
STEP_FUNCTION_MODULES = env.list("STEP_FUNCTION_MODULES", default=[])

#: What reading one document may take: processor seconds, and memory of its process.
DOCUMENT_SECONDS = env.float("DOCUMENT_SECONDS", default=30.0)
DOCUMENT_MEMORY_MB = env.int("DOCUMENT_MEMORY_MB", default=768)

# Limits at the doors.
#: How long a process may go on accepting a key that another process has revoked.
API_KEY_CACHE_SECONDS = env.float("API_KEY_CACHE_SECONDS", default=5.0)
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=10 * 1024 * 1024)
MAX_PAYLOAD_BYTES = env.int("MAX_PAYLOAD_BYTES", default=1024 * 1024)
#: One webhook.
MAX_WEBHOOK_BYTES = env.int("MAX_WEBHOOK_BYTES", default=1024 * 1024)
#: One file, all of one request, and the files of one job.
MAX_FILE_BYTES = env.int("MAX_FILE_BYTES", default=25 * 1024 * 1024)
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", default=50 * 1024 * 1024)
MAX_FILES = env.int("MAX_FILES", default=20)
#: Patterns of content types that are taken, as the bytes tell them; `!` in front refuses.
FILE_TYPES = env.list("FILE_TYPES", default=["*/*", "!application/x-executable"])
#: How often the folders of mailboxes are looked into.
MAIL_POLL_SECONDS = env.float("MAIL_POLL_SECONDS", default=60.0)
#: One uploaded list: its size, the rows of it that are read, and what a workbook may unpack to.
MAX_LIST_BYTES = env.int("MAX_LIST_BYTES", default=100 * 1024 * 1024)
MAX_LIST_ROWS = env.int("MAX_LIST_ROWS", default=1_000_000)
MAX_LIST_UNPACKED_BYTES = env.int("MAX_LIST_UNPACKED_BYTES", default=300 * 1024 * 1024)
#: CIDR blocks, addresses and host names that outgoing calls may reach besides the public internet.
OUTGOING_HTTP_ALLOW = env.list("OUTGOING_HTTP_ALLOW", default=[])
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
# The form of a step with many labels and words has more controls than Django's 1,000.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

# The deployment's own language model: the connection `default` of every tenant that has none of that name.
LLM_KIND = env.str("LLM_KIND", default="openai")
LLM_URL = env.str("LLM_URL", default="")
LLM_MODEL = env.str("LLM_MODEL", default="")
LLM_API_KEY = env.str("LLM_API_KEY", default="")
#: Its limits over all tenants, and what each tenant may spend in a month in US dollars; 0 for no limit.
LLM_CONCURRENT = env.int("LLM_CONCURRENT", default=0)
LLM_REQUESTS_PER_MINUTE = env.int("LLM_REQUESTS_PER_MINUTE", default=0)
LLM_TOKENS_PER_MINUTE = env.int("LLM_TOKENS_PER_MINUTE", default=0)
LLM_MONTHLY_BUDGET = env.float("LLM_MONTHLY_BUDGET", default=0.0)

# The deployment's mail server, for `notify` steps that name no connection; without EMAIL_HOST there is none.
EMAIL_HOST = env.str("EMAIL_HOST", default="")
EMAIL_PORT = env.int("EMAIL_PORT", default=587)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", default=False)
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=not EMAIL_USE_SSL)
EMAIL_TIMEOUT = 30
#: Where people reach the admin, for links in mails: https://taskflow.example.com.
PUBLIC_URL = env.str("PUBLIC_URL", default="")
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="taskflow@localhost")

# Logs and metrics; see docs/observability.md.
LOG_FORMAT = env.str("LOG_FORMAT", default="")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING = logging_config(form=chosen_form(LOG_FORMAT), level=LOG_LEVEL, stream=chosen_stream(sys.argv[0]))
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = env.bool("TRUST_UPSTREAM_REQUEST_ID", default=False)
#: Where this host's processes count; prometheus_client reads the variable when it is first imported.
METRICS_DIR = Path(env.str("METRICS_DIR", default=str(VAR_DIR / "metrics"))).absolute() / gethostname()
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(writable_folder("METRICS_DIR", METRICS_DIR))
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_ALLOWED = networks("METRICS_ALLOWED", env.list("METRICS_ALLOWED", default=["127.0.0.0/8", "::1/128"]))
WORKER_METRICS_PORT = env.int("WORKER_METRICS_PORT", default=0)
WORKER_METRICS_HOST = env.str("WORKER_METRICS_HOST", default="127.0.0.1")
#: Requests of one API key in one minute; 0 for no limit.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=60_000)

# The REST API.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.api.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.api.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["taskflow.lib.throttling.KeyThrottle"],
    "DEFAULT_PARSER_CLASSES": ["taskflow.lib.rest.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["taskflow.lib.rest.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "taskflow.lib.rest.OneFormat",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "taskflow.lib.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "TaskFlow",
    "DESCRIPTION": "Send jobs to workflows, follow them, and repair them. The guide is docs/api.md.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
