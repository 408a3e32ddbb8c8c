"""What a view may show and ask of jobs: paths such as `result.label`, and what is known of them without any job."""

import re
from collections.abc import Collection

#: What is known of every job and every review; the value is how it is called.
JOB_PATHS = {
    "job.state": "State",
    "job.created": "Created",
    "job.finished": "Finished",
    "job.duration": "Took",
    "job.cost": "Cost",
    "job.version": "Version",
    "job.queue": "Queue",
    "job.correlation_id": "Correlation id",
    "job.error": "Error",
}
REVIEW_PATHS = {
    "review.decision": "Decision",
    "review.by": "Reviewed by",
    "review.at": "Reviewed",
    "review.comment": "Comment",
}
#: Changes while a job goes on: the jobs' own table answers for it.
STATE = "job.state"
#: What is known when the job is made, and changes only where a retry edits the payload.
FIXED = ("payload.", "job.created", "job.version", "job.queue", "job.correlation_id")
LONGEST_PATH = 190
_KEY = r"[^\s.:=&#\x00-\x1f]{1,100}"
_PATH = re.compile(rf"(payload|result)(\.{_KEY}){{1,6}}|steps\.{_KEY}(\.{_KEY}){{1,6}}")


def path_problem(path: str) -> str:
    """Return what is wrong with a path; empty where it can be asked for."""
    if path in JOB_PATHS or path in REVIEW_PATHS:
        return ""
    if len(path) <= LONGEST_PATH and _PATH.fullmatch(path):
        return ""
    root = path.split(".")[0]
    if root == "job":
        return f"There is no '{path}'. Known: {', '.join(JOB_PATHS)}."
    if root == "review":
        return f"There is no '{path}'. Known: {', '.join(REVIEW_PATHS)}."
    return f"There is no field '{path}'. Write payload.KEY, result.KEY, steps.STEP.KEY, review.… or job.…"


def index_problem(path: str, redacted: Collection[str]) -> str:
    """Return why no index may hold the values at a path; empty where one may."""
    if any(key in redacted for key in path.split(".")[1:]):
        return f"'{path}' is redacted: its values are kept in no index, so nothing can be filtered or sorted by it."
    return ""


def is_fixed(path: str) -> bool:
    """Say whether the value at a path is known when the job is made."""
    return path.startswith(FIXED)


def label_of(path: str) -> str:
    """Return a name for a path where its workflow has none."""
    known = JOB_PATHS.get(path) or REVIEW_PATHS.get(path)
    if known:
        return known
    key = path.split(".")[-1].replace("_", " ")
    return key[:1].upper() + key[1:]
