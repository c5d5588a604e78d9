"""Numbers of the guides that follow from the inputs."""

import re

import pytest

from consul_tracing.inputs.tracer_settings import Tracer
from consul_tracing.inputs.zipkin_deployment_settings import Resources
from testbed import CHECKOUT

SIZE = re.compile(r"^\| (\d+[MG]i)[^|]* \| ([\d,]+) MiB \| ([\d,]+) \|$", re.MULTILINE)


def rows(guide: str) -> list[str]:
    return [line for line in (CHECKOUT / "docs/guides" / guide).read_text().splitlines() if line.startswith("| ")]


def test_sizes_of_zipkin_are_those_of_the_component() -> None:
    found = SIZE.findall("\n".join(rows("zipkin-kubernetes.md")))
    assert len(found) == 5
    for limit, heap, spans in found:
        sizes = Resources(memory_limit=limit)
        assert (f"{sizes.heap:,}", f"{sizes.fitting_spans:,}") == (heap, spans)


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
    (row,) = [row for row in rows("otlp-and-stores.md") if row.startswith(f"| {store} |")]
    ports = [int(port) for port in re.findall(r"\b\d{4}\b", row)]
    assert ports == [Tracer(**tracer).default_port for tracer in tracers]
