"""The work that every system is given: W1, three small steps over an order, and W2, one call that takes 200 ms.

Standard library only: it runs in TaskFlow's environment and in that of its peers.
"""

import hashlib
import http.client
import json
import os
import threading
from typing import Any

Record = dict[str, Any]
_kept = threading.local()


def order(number: int) -> Record:
    """Return the payload of job `number`: an order of three lines, about 300 bytes as JSON."""
    lines = [
        {"sku": f"SKU-{(number * 7 + k) % 9973:06d}", "qty": 1 + (number + k) % 5, "price": 1000 + 13 * k}
        for k in range(3)
    ]
    return {
        "id": number,
        "customer": f"customer-{number % 997:05d}",
        "region": "eu-north-1",
        "items": lines,
        "note": "please leave at the door; ring twice; fragile",
        "pad": "x" * 30,
    }


def order_text(number: int) -> str:
    """Return the payload as JSON text."""
    return json.dumps(order(number))


def parse(order: Record) -> Record:
    """The first step: read the order and add it up."""
    items = order["items"]
    return {
        "id": order["id"],
        "customer": order["customer"],
        "skus": [item["sku"] for item in items],
        "n": sum(item["qty"] for item in items),
        "total": sum(item["qty"] * item["price"] for item in items),
        "region": order["region"],
        "ok": True,
        "pad": "x" * 40,
    }


def compute(parsed: Record) -> Record:
    """The second step: tax and a digest."""
    digest = hashlib.sha256(f"{parsed['id']}:{parsed['total']}".encode()).hexdigest()
    return {
        "id": parsed["id"],
        "total": parsed["total"],
        "tax": parsed["total"] // 5,
        "digest": digest,
        "n": parsed["n"],
        "ok": True,
        "pad": "y" * 50,
    }


def emit(computed: Record) -> Record:
    """The third step: the invoice."""
    return {
        "id": computed["id"],
        "invoice": f"INV-{computed['id']:08d}",
        "amount": computed["total"] + computed["tax"],
        "digest": computed["digest"],
        "status": "accepted",
        "pad": "z" * 40,
    }


STEPS = (("parse", parse), ("compute", compute), ("emit", emit))


def slow_port() -> int:
    """Return the port of the slow server (`bench/slow_server.py`)."""
    return int(os.environ["BENCH_SLOW_PORT"])


def slow_call(number: int) -> Record:
    """The one step of W2: a call that is answered after 200 ms, over a connection each thread keeps."""
    for fresh in (False, True):
        connection = None if fresh else getattr(_kept, "connection", None)
        if connection is None:
            connection = _kept.connection = http.client.HTTPConnection("127.0.0.1", slow_port(), timeout=30)
        try:
            connection.request("GET", f"/slow?id={number}")
            return dict(json.loads(connection.getresponse().read()))
        except (http.client.HTTPException, OSError):
            connection.close()
    raise ConnectionError("The slow server does not answer.")
