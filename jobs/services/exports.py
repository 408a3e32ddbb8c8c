from datetime import datetime


def continue_stale(*, now: datetime) -> int:
    return 0


def prune_exports(*, now: datetime, keep_days: int) -> int:
    return 0
