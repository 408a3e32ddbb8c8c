"""The embedded broker, used by several processes at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PRODUCER = """
import sys
from kombu import Connection
from taskflow import celery_app
folders = {"data_folder_in": sys.argv[1], "data_folder_out": sys.argv[1], "control_folder": sys.argv[1]}
with Connection("filesystem://", transport_options=folders) as connection:
    queue = connection.SimpleQueue("pool.default")
    for number in range(300):
        queue.put({"number": number})
"""


@pytest.mark.slow
def test_a_message_is_never_seen_half_written(tmp_path: Path) -> None:
    producer = subprocess.Popen([sys.executable, "-c", PRODUCER, str(tmp_path)])
    whole: set[str] = set()
    while producer.poll() is None:
        for path in tmp_path.glob("*.msg"):
            if path.name not in whole:
                json.loads(path.read_text())
                whole.add(path.name)
    assert producer.returncode == 0
    assert len(list(tmp_path.glob("*.msg"))) == 300
