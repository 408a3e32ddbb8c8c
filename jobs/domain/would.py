"""What a step would have done outside, in words: from what its dry run says."""

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 300


def would_words(would: Mapping[str, Any] | None) -> str:
    """Return what a step would have done: "send mail to ann@example.com: Your invoice"; empty for nothing."""
    if not would:
        return ""
    if isinstance(sent := would.get("would_send"), Mapping):
        return _sending(sent)[:LONGEST]
    if isinstance(jobs := would.get("would_spawn"), Sequence):
        return f"create {len(jobs)} sub-job{'' if len(jobs) == 1 else 's'}"
    if "would_call" in would:
        return f"call the function {would['would_call']}"[:LONGEST]
    return f"run a step of the kind {would.get('would_run', 'unknown')}"[:LONGEST]


def _sending(sent: Mapping[str, Any]) -> str:
    if "method" in sent:
        return f"call {sent['method']} {sent.get('url', '')}"
    channel = sent.get("channel")
    over = f" over '{sent['connection']}'" if sent.get("connection") else ""
    if channel is None:
        body = sent.get("body")
        kind = f" {body['type']}" if isinstance(body, Mapping) and "type" in body else ""
        return f"send a webhook{kind}{over}"
    to = f" to {', '.join(map(str, sent['to']))}" if sent.get("to") else over
    subject = sent.get("subject") or " ".join(str(sent.get("text", "")).split())[:80]
    what = "mail" if channel == "mail" else f"a message by {channel}"
    return f"send {what}{to}{f': {subject}' if subject else ''}"
