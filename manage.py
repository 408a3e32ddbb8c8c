#!/usr/bin/env python
"""The command line of TaskFlow."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskflow.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.INSTALLED_APPS  # noqa: B018 - reads the environment
    except ImproperlyConfigured as error:
        sys.exit(f"TaskFlow cannot start: {error} docs/operations.md lists every variable.")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
