"""The Grafana dashboard asks only for metrics and labels that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric

from automations.models import AutomationTick
from jobs.models import EngineTick
from taskflow.lib.clock import utcnow
from taskflow.metrics.counts import counts
from taskflow.metrics.gauges import GaugesCollector
from tests.factories import make_job

DASHBOARD = Path(__file__).parents[2] / "ops" / "grafana" / "taskflow.json"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
#: A metric, with what stands in braces after it.
METRIC = re.compile(r"(taskflow_[a-z_]+)(?:\{([^}]*)\})?")


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def expressions() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]


def known() -> dict[str, set[str]]:
    """Return the labels of every series, by its name."""
    make_job()
    EngineTick.objects.update_or_create(pk=1, defaults={"ticked_at": utcnow()})
    AutomationTick.objects.update_or_create(pk=1, defaults={"ticked_at": utcnow()})
    names: dict[str, set[str]] = {}
    for metric, labels in [*_of_counts(), *_of_gauges()]:
        for suffix in SUFFIXES[metric.type]:
            extra = {"le"} if suffix == "_bucket" else set()
            names[metric.name + suffix] = labels | extra
    return names


def _of_counts() -> Iterator[tuple[Metric, set[str]]]:
    for value in vars(counts()).values():
        (metric,) = value.describe()
        yield metric, set(value._labelnames)


def _of_gauges() -> Iterator[tuple[Metric, set[str]]]:
    for metric in GaugesCollector().collect():
        yield metric, {label for sample in metric.samples for label in sample.labels}


@pytest.mark.django_db
def test_every_metric_and_label_on_the_dashboard_exists() -> None:
    series = known()
    for expression in expressions():
        found = METRIC.findall(expression)
        assert found, expression
        for name, matchers in found:
            assert name in series, expression
            assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= series[name], expression
        grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
        assert grouped <= set().union(*(series[name] for name, _ in found)), expression


@pytest.mark.django_db
def test_every_metric_there_is_stands_on_the_dashboard() -> None:
    shown = {name for expression in expressions() for name, _ in METRIC.findall(expression)}
    families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in known()}
    assert {family for family in families if not any(name.startswith(family) for name in shown)} == set()


def test_panels_have_ids_titles_and_places_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] for panel in panels)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_the_dashboard_brings_no_data_source_of_its_own() -> None:
    sources = re.findall(r'"uid": "([^"]+)"', DASHBOARD.read_text())
    assert set(sources) == {"${datasource}", "taskflow"}
