"""The Procrastinate application: one task a job, which writes a row for each step's result."""

import json
import os

import procrastinate

from bench import workload

DSN = f"host=127.0.0.1 port={os.environ.get('PG_PORT', '35432')} user=postgres dbname="
DATABASE = "bench_procrastinate"
INSERT = (
    "insert into step_result (job_id, step_no, name, result, at)"
    " values (%(job)s, %(number)s, %(name)s, %(result)s, now())"
)
if os.environ.get("PEER_SUBMITTER"):
    connector = procrastinate.SyncPsycopgConnector(conninfo=DSN + DATABASE)
else:
    connector = procrastinate.PsycopgConnector(conninfo=DSN + DATABASE, min_size=2, max_size=20)
app = procrastinate.App(connector=connector)
_session = None


@app.task(name="run_job", pass_context=True, queue="bench")
async def run_job(context, payload):
    """W1: go on behind the last recorded step, and record each."""
    kept = {}
    if context.job.attempts:
        rows = await connector.execute_query_all_async(
            "select step_no, result from step_result where job_id = %(job)s", job=context.job.id
        )
        kept = {row["step_no"]: row["result"] for row in rows}
    record = payload
    for number, (name, step) in enumerate(workload.STEPS, 1):
        if number in kept:
            record = kept[number]
            continue
        record = step(record)
        await _insert(context.job.id, number, name, record)


@app.task(name="run_call", pass_context=True, queue="bench")
async def run_call(context, payload):
    """W2, without blocking the loop."""
    global _session
    import aiohttp

    if _session is None:
        _session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    async with _session.get(f"http://127.0.0.1:{workload.slow_port()}/slow?id={payload['id']}") as answer:
        record = await answer.json()
    await _insert(context.job.id, 1, "slow", record)


async def _insert(job, number, name, record):
    await connector.execute_query_async(INSERT, job=job, number=number, name=name, result=json.dumps(record))
