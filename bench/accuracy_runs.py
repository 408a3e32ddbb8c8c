"""Two ways to run payloads through a workflow of the demo or the gallery: in memory, and as jobs of a TaskFlow."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import django
import httpx2

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (ROOT / "taskflow" / "demo", ROOT / "workflows" / "gallery")
#: Payloads sent in one request; jobs asked for in one page.
CHUNK, PAGE = 250, 200
#: A job that waits for a person waits for good here; it counts as WAITING, with no result.
ACTIVE = "PENDING,SCHEDULED,RUNNING"
POLL_SECONDS = 1.0


@dataclass(slots=True)
class Outcome:
    """How one payload ended: the state of its job, the result, and the error's text."""

    state: str
    result: dict[str, Any] = field(default_factory=dict)
    error: str = ""


Runner = Callable[[str, Sequence[dict[str, Any]]], list[Outcome]]


def in_memory(workflow: str, payloads: Sequence[dict[str, Any]]) -> list[Outcome]:
    """Run the payloads through the steps of the workflow's file, in this process and without a database."""
    os.environ.setdefault("SECRET_KEY", "only-for-measuring-" + "0123456789" * 5)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskflow.settings")
    django.setup()
    from taskflow.lib.clock import utcnow
    from workflows.runtime import run_plan

    plan, now, outcomes = _plan(workflow), utcnow(), []
    for payload in payloads:
        result = run_plan(plan, payload, tenant={}, now=now)
        state = "SUCCEEDED" if result.error is None else "FAILED" if result.error.permanent else "DEAD"
        outcomes.append(Outcome(state, result.record, str(result.error or "")))
    return outcomes


@cache
def _plan(workflow: str) -> Any:
    from workflows.domain.definition import DefinitionError, load_definition, read_definition
    from workflows.models import Step
    from workflows.runtime import Plan, build_step

    path = next(path for folder in FOLDERS if (path := folder / f"{workflow}.yaml").exists())
    definition, problems = read_definition(load_definition(path.read_text(encoding="utf-8")))
    if definition is None or problems:
        raise DefinitionError(problems)
    steps = tuple(build_step(Step(**step.model_dump(exclude={"retry"}))) for step in definition.steps)
    return Plan(version_id=0, workflow_id=0, steps=steps, retry_policy=None, timeout=definition.timeout)


class ThroughApi:
    """Sends the payloads to a running TaskFlow as jobs, waits until all are final, and reads them."""

    def __init__(self, url: str, key: str) -> None:
        base = f"{url.rstrip('/').removesuffix('/api/v1')}/api/v1"
        self.client = httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {key}"}, timeout=60.0)

    def __call__(self, workflow: str, payloads: Sequence[dict[str, Any]]) -> list[Outcome]:
        mark = f"accuracy-{uuid4()}"
        outcomes: list[Outcome | None] = [None] * len(payloads)
        places: dict[str, int] = {}
        for start in range(0, len(payloads), CHUNK):
            for place, item in enumerate(self._send(workflow, payloads[start : start + CHUNK], mark), start):
                if item["status"] == 201:
                    places[item["job"]["id"]] = place
                else:
                    outcomes[place] = Outcome("REFUSED", error=str(item["errors"]))
        self._wait(mark)
        for job in self._jobs(correlation_id=mark):
            message = (job["error"] or {}).get("message", "")
            outcomes[places[job["id"]]] = Outcome(job["state"], job["result"] or {}, message)
        return [outcome or Outcome("LOST") for outcome in outcomes]

    def _send(self, workflow: str, payloads: Sequence[dict[str, Any]], mark: str) -> list[dict[str, Any]]:
        jobs = [{"workflow": workflow, "payload": payload, "correlation_id": mark} for payload in payloads]
        answer = self._ask("POST", "/jobs/bulk", json={"jobs": jobs})
        return list(answer["results"])

    def _wait(self, mark: str) -> None:
        while self._ask("GET", "/jobs", params={"correlation_id": mark, "state": ACTIVE, "page_size": 1})["results"]:
            time.sleep(POLL_SECONDS)

    def _jobs(self, **filters: str) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            params = filters | {"page_size": str(PAGE)} | ({"cursor": cursor} if cursor else {})
            page = self._ask("GET", "/jobs", params=params)
            yield from page["results"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Send a request; wait and send it again where the answer is that this key asks too often."""
        while (answer := self.client.request(method, path, **more)).status_code == 429:
            time.sleep(float(answer.headers.get("Retry-After", "5")))
        if answer.status_code >= 400 and not (answer.status_code == 400 and "results" in answer.json()):
            sys.exit(f"{method} {path} was answered with {answer.status_code}: {answer.text[:500]}")
        return dict(answer.json())
