"""Ports of the guides that follow from the inputs."""

import re

import pytest

from consul_tracing.inputs.tracer_settings import Tracer
from testbed import CHECKOUT

STORES = (CHECKOUT / "docs/guides/otlp-and-stores.md").read_text().splitlines()


@pytest.mark.parametrize(
    ("store", "tracers"),
    [
        ("Zipkin", [{"zipkin": {}}]),
        ("Jaeger 2", [{"opentelemetry": {}}, {"opentelemetry": {"transport": "http"}}, {"zipkin": {}}]),
        ("Tempo", [{"opentelemetry": {}}, {"opentelemetry": {"transport": "http"}}]),
        (
            "OpenTelemetry Collector",
            [{"opentelemetry": {}}, {"opentelemetry": {"transport": "http"}}, {"zipkin": {}}],
        ),
        ("Datadog agent", [{"datadog": {"service_name": "mesh"}}]),
    ],
)
def test_ports_of_stores_are_the_defaults(store: str, tracers: list[dict[str, object]]) -> None:
    (row,) = [row for row in STORES if row.startswith(f"| {store} |")]
    ports = [int(port) for port in re.findall(r"\b\d{4}\b", row)]
    assert ports == [Tracer(**tracer).default_port for tracer in tracers]
