"""Answers every request after BENCH_SLOW_SECONDS (0.2): the outside system of W2. `python slow_server.py PORT`."""

import asyncio
import os
import re
import sys

BODY = b'{"ok": true, "data": "' + b"d" * 150 + b'"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
SECONDS = float(os.environ.get("BENCH_SLOW_SECONDS", "0.2"))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection, which stays open."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if length := re.search(rb"(?i)content-length: *(\d+)", head):
                await reader.readexactly(int(length[1]))
            await asyncio.sleep(SECONDS)
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
