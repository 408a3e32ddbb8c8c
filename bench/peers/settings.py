"""Django settings of the peers that stand on Django."""

import os

from bench.subject import Places

_places = Places.from_environment()
SECRET_KEY = "only-for-benchmarks"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "bench.peers.tables",
    *filter(None, [os.environ.get("PEER_APP")]),
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "bench_peers",
        "USER": _places.user,
        "PASSWORD": _places.password,
        "HOST": "127.0.0.1",
        "PORT": str(_places.mysql),
        "CONN_MAX_AGE": None,
        "OPTIONS": {"charset": "utf8mb4", "isolation_level": "read committed"},
    }
}
LOGGING_CONFIG = None
ROOT_URLCONF = os.environ.get("PEER_URLS", "bench.peers.django_view")
ALLOWED_HOSTS = ["127.0.0.1"]
SILENCED_SYSTEM_CHECKS = ["models.W036"]
Q_CLUSTER = {
    "name": "bench",
    "workers": int(os.environ.get("PEER_WORKERS", "2")),
    "timeout": 60,
    "retry": 120,
    "queue_limit": 100,
    "bulk": 10,
    "poll": 0.2,
    "catch_up": False,
    "save_limit": 0,
    "ack_failures": True,
    "max_attempts": 3,
    "log_level": "ERROR",
    "guard_cycle": 0.5,
    "redis": {"host": "127.0.0.1", "port": _places.redis, "db": 8},
}
