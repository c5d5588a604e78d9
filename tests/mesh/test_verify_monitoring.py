"""`consul-tracing verify --interval` on a real mesh.

`pytest --log-cli-level=INFO -m nightly tests/mesh/test_verify_monitoring.py` logs the measurements in
docs/guides/monitoring.md. CONSUL_TRACING_MINUTES is the duration of the run without a fault.
"""

import logging
import os
import re
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from testbed.envoy import Envoy
from testbed.http import RequestError, accepts_connections, send_request
from testbed.jaeger import Jaeger
from testbed.mesh import Mesh
from testbed.processes import ProgramFailedError, Programs, WaitTimeoutError
from tests.mesh.monitor import command, monitor
from tests.mesh.test_gateways import KINDS, gateway_proxy
from tests.mesh.trace_stores import to_jaeger
from tests.mesh.traced_mesh import TRACED, TracedMesh, retried, unique_path
from tests.mesh.verify_faults import FAULTS, Fault
from tests.mesh.verify_runs import NONE, OTLP, write
from tests.monitoring import selectors

pytestmark = pytest.mark.mesh

LOG = logging.getLogger(__name__)

MINUTES = float(os.environ.get("CONSUL_TRACING_MINUTES", "10"))
REQUESTS_PER_SECOND = 10
RATE = 1.0
"""Sampling rate in percent."""


def failures(report: Path) -> list[str]:
    cases = ET.parse(report).iter("testcase")  # noqa: S314 - own file
    return [case.get("name", "").rpartition(": ")[2] for case in cases if case.findall("failure")]


def test_metrics_follow_the_mesh_and_sigterm_ends_the_monitor(traced: TracedMesh, tmp_path: Path) -> None:
    traced.apply()
    report = tmp_path / "report.xml"
    with monitor(traced, f"--junit={report}") as running:
        traced.wait_until(lambda: running.is_complete, "a complete trace")
        assert running.values("missing_service") == {"client": 0, "web": 0, "api": 0}
        assert 0 < running.values("arrival_seconds")[""] < 20
        assert failures(report) == []
        traced.mesh.stop_service("web")
        try:
            traced.wait_until(lambda: "CT411" in running.causes, "the cause")
            assert running.values("complete") == {"": 0}
            assert running.values("missing_service") == {"client": 0, "web": 0, "api": 1}
            assert failures(report) == ["complete trace", "span of api"]
        finally:
            traced.mesh.restart_service("web")
        traced.wait_until(retried(partial(traced.mesh.request, unique_path())), "a successful request")
        traced.wait_until(lambda: running.is_complete, "a complete trace")
        assert (running.causes, failures(report)) == (set(), [])
        second = command(traced, "--interval=1", f"--metrics={running.port}")
        with pytest.raises(ProgramFailedError, match="CT601: the metrics cannot be served at .* in use") as error:
            traced.mesh.programs.run("second monitor", second)
        assert error.value.exit_code == 2
        assert running.stop() == 0
        lines = running.program.output().splitlines()
        assert not accepts_connections(running.port)
    assert sum(" incomplete: " in line and "CT411" in line for line in lines) >= 1
    assert all(" complete: " in line or " incomplete: " in line for line in lines), lines


LABEL = re.compile(r'(\w+)="')


def envoy_metrics(proxy: Envoy) -> dict[str, set[str]]:
    """Return the labels of each metric that a proxy serves, as with `envoy_prometheus_bind_addr`."""
    found: dict[str, set[str]] = {}
    for line in send_request(proxy.admin_port, "/stats/prometheus").text.splitlines():
        name, _, labels = line.partition("{")
        found.setdefault(name, set()).update(LABEL.findall(labels))
    return found


def test_queries_of_the_examples_name_metrics_of_envoy(traced: TracedMesh, jaeger: Jaeger) -> None:
    queried = {(name, label) for name, labels in selectors() if name.startswith("envoy_") for label in ("", *labels)}
    served: set[tuple[str, str]] = set()

    def are_served() -> bool:
        for proxy in traced.proxies:
            served.update((name, label) for name, labels in envoy_metrics(proxy).items() for label in ("", *labels))
        return queried <= served

    traced.apply()
    traced.request()
    with suppress(WaitTimeoutError):
        traced.wait_until(are_served, "metrics of the Zipkin tracer", seconds=2)
    assert all(name.startswith("envoy_tracing_opentelemetry_") for name, _ in queried - served)
    traced.apply(**to_jaeger(OTLP, jaeger))
    traced.request()
    traced.wait_until(are_served, "metrics of the OpenTelemetry tracer")
    traced.apply()


def test_proxy_without_a_tracer_counts_sampled_requests(traced: TracedMesh) -> None:
    """The alert EnvoySendsNoSpans compares them with the spans."""
    traced.apply(enabled=False)
    write(traced)
    web = traced.mesh.sidecars["web"]
    traced.wait_until(lambda: traced.request() and any(web.stats(r"tracing\.random_sampling").values()), "a decision")
    assert not any(name.startswith("envoy_tracing_") for name in envoy_metrics(web))
    traced.follow()


INTERVAL = 10
TIMEOUT = "--timeout=30"
"""The default of the command."""


@pytest.mark.nightly
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_time_to_detect_a_fault(traced: TracedMesh, jaeger: Jaeger, fault: Fault) -> None:
    """The time from the fault to its cause in the metrics is at most that of two runs."""
    traced.apply(**fault.before)
    with monitor(traced, TIMEOUT, *fault.options, interval=INTERVAL) as running:
        traced.wait_until(lambda: sum(running.values("runs_total").values()), "the first run", seconds=60)
        with fault.made(traced, jaeger):
            made = time.monotonic()
            traced.wait_until(lambda: fault.code in running.causes, "the cause", seconds=120)
            LOG.info("%s: detected after %.0f s", fault, time.monotonic() - made)
    traced.apply()


@pytest.mark.nightly
@KINDS
def test_time_to_detect_a_gateway_that_disables_sampling(traced: TracedMesh, kind: str) -> None:
    traced.apply()
    with gateway_proxy(traced, kind) as (port, envoy):
        through = {"port": port, "expect": f"{kind}-gateway,web,api", "proxies": [envoy, *traced.proxies[1:]]}
        started = time.monotonic()
        with monitor(traced, NONE, TIMEOUT, interval=INTERVAL, **through) as running:
            traced.wait_until(lambda: "CT406" in running.causes, "the cause", seconds=120)
    LOG.info("CT406 %s-gateway: detected after %.0f s", kind, time.monotonic() - started)


def mesh_with_default_flush(programs: Programs) -> TracedMesh:
    """Return a mesh whose proxies report spans as in production: five spans at once, or after five seconds."""
    mesh = Mesh(programs)
    mesh.register_services()
    mesh.zipkin.wait_until_ready()
    traced = TracedMesh(mesh)
    for name in TRACED:
        mesh.sidecars[name] = mesh.start_envoy(name, [f"-sidecar-for={name}"], envoy_arguments=["--config-yaml", "{}"])
    traced.apply(sampling={"random": RATE})
    return traced


@pytest.mark.nightly
def test_traffic_without_a_fault_raises_no_alarm(programs: Programs) -> None:
    traced = mesh_with_default_flush(programs)
    ends = time.monotonic() + 60 * MINUTES
    sent = failed = 0
    seconds: list[float] = []
    with monitor(traced, interval=10) as expecting, monitor(traced, interval=10, expect="") as discovering:
        while time.monotonic() < ends:
            started = time.monotonic()
            sent += 1
            try:
                failed += traced.mesh.request(unique_path()).status != 200
            except RequestError:
                failed += 1
            if sent % (10 * REQUESTS_PER_SECOND) == 0:
                seconds += expecting.values("arrival_seconds").values()
            time.sleep(max(0, started + 1 / REQUESTS_PER_SECOND - time.monotonic()))
        for one in (expecting, discovering):
            LOG.info("runs: %s", one.values("runs_total"))
            assert (one.stop(), one.program.is_running) == (0, False)
    LOG.info("requests: %d, failed: %d; sampled traces: %d", sent, failed, len(traced.mesh.zipkin.traces(20_000)))
    LOG.info("seconds to the store: median %.1f, maximum %.1f", sorted(seconds)[len(seconds) // 2], max(seconds))
    lines = [line for one in (expecting, discovering) for line in one.program.output().splitlines()]
    assert [line for line in lines if " complete: " not in line] == []
    assert failed == 0
    assert len(lines) >= 60 * MINUTES / 10
