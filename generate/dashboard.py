"""The dashboard of examples/monitoring: verification, and what Envoy's metrics show about its tracer.

Ref: https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from consul_tracing.cli.verify.metrics import PREFIX
from consul_tracing.names import COLLECTOR_CLUSTER

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
ROW_HEIGHT = 1

STALE_SECONDS = 300
"""Time since the last run from which it is red: that of the alert."""


@dataclass(frozen=True)
class Panel:
    """A panel, and its queries by their legends."""

    title: str
    queries: dict[str, str]
    description: str = ""
    unit: str = "short"
    width: int = 12
    height: int = 8
    type: str = "timeseries"
    defaults: dict[str, Any] | None = None
    """Further defaults of the fields."""
    target: dict[str, Any] | None = None
    """Further fields of each query."""
    others: dict[str, Any] | None = None
    """Further fields of the panel."""


def verification(name: str) -> str:
    """Return the selector of a metric of `verify --metrics`."""
    return f'{PREFIX}{name}{{instance=~"$instance"}}'


def rate(name: str, *matchers: str) -> str:
    """Return the rate of a counter of Envoy for the selected services."""
    selected = ", ".join(['local_cluster=~"$service"', *matchers])
    return f"rate(envoy_{name}{{{selected}}}[$__rate_interval])"


def by_service(name: str, *matchers: str) -> str:
    """Return the rate of a counter of Envoy by service."""
    return f"sum by (local_cluster) ({rate(name, *matchers)})"


def thresholds(first: str, value: int, second: str) -> dict[str, Any]:
    """Return the color below and from a value on."""
    return {"mode": "absolute", "steps": [{"color": first, "value": None}, {"color": second, "value": value}]}


def last_value(color_mode: str) -> dict[str, Any]:
    """Return the options of a panel with the last value."""
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    return {"options": {"colorMode": color_mode, "reduceOptions": reduced}}


OF_COLLECTOR = f'envoy_cluster_name="{COLLECTOR_CLUSTER}"'
INTEGERS = {"min": 0, "decimals": 0}
POSITIVE = {"min": 0}
COMPLETE = {"0": {"text": "incomplete", "color": "red"}, "1": {"text": "complete", "color": "green"}}
TABLE = {
    "excludeByName": {"Time": True, "__name__": True, "job": True},
    "indexByName": {"code": 0, "title": 1, "instance": 2, "Value": 3},
    "renameByName": {"Value": "proxies"},
}

ROWS = {
    "Verification": (
        Panel(
            "Traces",
            {"{{instance}}": f"min by (instance) ({verification('complete')})"},
            "Whether the traces of the last run are complete. No data: the run failed, or the monitor does not run.",
            width=6,
            height=6,
            type="stat",
            defaults={
                "mappings": [{"type": "value", "options": COMPLETE}],
                "thresholds": thresholds("red", 1, "green"),
            },
            others=last_value("background"),
        ),
        Panel(
            "Causes of the last run",
            {"": f"{verification('causes')} > 0"},
            "The log of the monitor has the evidence and the proxies. `consul-tracing explain CODE` prints the fix.",
            height=6,
            type="table",
            defaults={},
            target={"instant": True, "range": False, "format": "table"},
            others={"transformations": [{"id": "organize", "options": TABLE}]},
        ),
        Panel(
            "Last run",
            {"{{instance}}": f"time() - max by (instance) ({verification('last_run_timestamp_seconds')})"},
            "Time since the last run.",
            unit="s",
            width=6,
            height=6,
            type="stat",
            defaults={"thresholds": thresholds("green", STALE_SECONDS, "red")},
            others=last_value("value"),
        ),
        Panel(
            "Runs",
            {"{{result}}": f"sum by (result) (increase({verification('runs_total')}[$__rate_interval]))"},
            "A failed run has no result.",
        ),
        Panel(
            "Time to the trace store",
            {"{{instance}}": verification("arrival_seconds")},
            "From the request until its last span was in the store. Proxies report at least every five seconds.",
            unit="s",
        ),
        Panel(
            "Causes",
            {"{{code}} {{title}}": f"sum by (code, title) ({verification('causes')}) > 0"},
            defaults=INTEGERS,
        ),
        Panel(
            "Services without a span",
            {"{{service}}": f"sum by (service) ({verification('missing_service')}) > 0"},
            defaults=INTEGERS,
        ),
    ),
    "Envoy": (
        Panel(
            "Spans sent",
            {
                "{{local_cluster}} Zipkin": by_service("tracing_zipkin_spans_sent"),
                "{{local_cluster}} OpenTelemetry": by_service("tracing_opentelemetry_spans_sent"),
            },
            unit="cps",
        ),
        Panel(
            "Lost spans",
            {
                "{{local_cluster}} rejected": by_service("tracing_zipkin_reports_dropped"),
                "{{local_cluster}} failed": by_service("tracing_zipkin_reports_failed"),
                "{{local_cluster}} without a cluster": by_service("tracing_zipkin_reports_skipped_no_cluster"),
                "{{local_cluster}} dropped": by_service("tracing_opentelemetry_spans_dropped"),
            },
            "Reports of the Zipkin tracer, each with up to five spans, and spans of the OpenTelemetry tracer.",
            unit="cps",
        ),
        Panel(
            "Responses of the collector",
            {"{{envoy_response_code}}": f"sum by (envoy_response_code) ({rate('cluster_upstream_rq', OF_COLLECTOR)})"},
            "503 is Envoy's own if it cannot connect. OTLP over gRPC has 200 also if the collector refuses spans.",
            unit="cps",
        ),
        Panel(
            "Connection failures of the collector",
            {"{{local_cluster}}": by_service("cluster_upstream_cx_connect_fail", OF_COLLECTOR)},
            unit="cps",
        ),
        Panel(
            "Decisions",
            {
                "sampled": f"sum({rate('http_tracing_random_sampling')})",
                "x-client-trace-id": f"sum({rate('http_tracing_client_enabled')})",
                "x-envoy-force-trace": f"sum({rate('http_tracing_service_forced')})",
                "not sampled": f"sum({rate('http_tracing_not_traceable')})",
                "health check": f"sum({rate('http_tracing_health_check')})",
            },
            "Why proxies trace requests or not. `not sampled` includes requests that follow their caller's decision.",
            unit="cps",
        ),
        Panel(
            "Buffered spans sent by the timer",
            {
                "{{local_cluster}} Zipkin": by_service("tracing_zipkin_timer_flushed"),
                "{{local_cluster}} OpenTelemetry": by_service("tracing_opentelemetry_timer_flushed"),
            },
            unit="cps",
        ),
    ),
}


def dashboard() -> str:
    """Return the dashboard as JSON for Grafana's import."""
    datasource = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }
    content = {
        "uid": "consul-tracing",
        "title": "consul-tracing",
        "description": "Verification of traces through a Consul service mesh, and the tracers of its proxies.",
        "tags": ["consul", "envoy", "tracing"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                datasource,
                _variable("instance", "Monitor", f"label_values({PREFIX}interval_seconds, instance)"),
                _variable("service", "Service", "label_values(envoy_http_tracing_not_traceable, local_cluster)"),
            ]
        },
        "panels": _panels(),
    }
    return json.dumps(content, indent=2) + "\n"


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def _panels() -> list[dict[str, Any]]:
    """Return the panels, from the left to the right and from the top to the bottom."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        place = {"x": 0, "y": y, "w": COLUMNS, "h": ROW_HEIGHT}
        panels.append({"type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []})
        x, y = 0, y + ROW_HEIGHT
        for one in row:
            panels.append(_panel(one, {"x": x, "y": y, "w": one.width, "h": one.height}))
            x += one.width
            if x == COLUMNS:
                x, y = 0, y + one.height
    return [{"id": number, **one} for number, one in enumerate(panels, 1)]


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": letter, "datasource": DATASOURCE, "expr": query, "legendFormat": legend, **(panel.target or {})}
        for letter, (legend, query) in zip(ascii_uppercase, panel.queries.items(), strict=False)
    ]
    defaults = {"unit": panel.unit, **(POSITIVE if panel.defaults is None else panel.defaults)}
    return {
        "type": panel.type,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        **(panel.others or {}),
    }
