"""Prometheus metrics, right under any number of processes on a host.

`counts` holds what processes count, fed by telemetry; `gauges` what the database says when asked; `store` where the
counts of this host lie; `views` and `server` hand them out.
"""
