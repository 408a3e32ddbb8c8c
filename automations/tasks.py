"""The Celery tasks of automations. Each takes ids and keywords, tolerates unknown ones, and may run twice or never."""
