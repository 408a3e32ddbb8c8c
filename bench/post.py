"""TaskFlow over HTTP: gunicorn with an API key, and the workers running beside.

    python bench/post.py MODE N

Modes: `post1` and `post8` (a job a request, so many clients), `bulk` (1,000 jobs a request, one client).
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.http_subject import HttpSubject, wait_for_web
from bench.subject import main
from bench.taskflow_peer import BULK, TaskFlow
from bench.workload import order
from tests.servers import free_port


class TaskFlowOverHttp(HttpSubject, TaskFlow):
    """The product with its web server: two processes of four threads."""

    def setup(self, mode: str) -> None:
        super().setup("w1")
        from tenants.services import create_api_key

        self.headers = {"Authorization": f"Bearer {create_api_key(tenant=self.tenant, name='bench').clear}"}

    def environment(self, mode: str) -> dict[str, str]:
        self.port = free_port()
        return super().environment(mode) | {"HOST": "127.0.0.1", "PORT": str(self.port)}

    def start(self, mode: str) -> None:
        from taskflow.programs import PROGRAMS

        super().start(mode)
        self.spawn(*PROGRAMS["web"]())
        wait_for_web(self.port)

    def requests(self, numbers: Sequence[int], mode: str) -> list[tuple[str, bytes]]:
        jobs = [{"workflow": "bench", "payload": order(number)} for number in numbers]
        if mode != "bulk":
            return [("/api/v1/jobs", json.dumps(job).encode()) for job in jobs]
        parts = [jobs[start : start + BULK] for start in range(0, len(jobs), BULK)]
        return [("/api/v1/jobs/bulk", json.dumps({"jobs": part}).encode()) for part in parts]


if __name__ == "__main__":
    main(TaskFlowOverHttp)
