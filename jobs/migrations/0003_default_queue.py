"""Make the queue that workflows use unless they name another: without it a new installation would refuse every job."""

from typing import Any

from django.db import migrations


def make_default_queue(apps: Any, schema_editor: Any) -> None:
    queue = apps.get_model("jobs", "Queue")
    queue.objects.get_or_create(slug="default", defaults={"name": "Default"})


class Migration(migrations.Migration):
    dependencies = (("jobs", "0002_index_finished"),)

    operations = (migrations.RunPython(make_default_queue, migrations.RunPython.noop),)
