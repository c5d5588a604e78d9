"""Zipkin with the environment variables and the memory limit that `ZipkinCollector` deploys.

`pytest --log-cli-level=INFO` logs the measurements. docs/measurements/zipkin.md has those of a run of 120 s.
"""

import itertools
import json
import logging
import random
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from typing import Any

import psutil
import pytest

import toolchain
from consul_tracing.inputs.kubernetes_types import bytes_of
from consul_tracing.inputs.zipkin_collector_settings import ZipkinCollectorSettings
from consul_tracing.inputs.zipkin_deployment_settings import UI_PATH
from consul_tracing.zipkin.pod import LIVENESS_PATH, READINESS_PATH, environment
from testbed.http import request_json, send_request
from testbed.memory_limits import MEBIBYTE, MemoryLimit, memory_limit
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, ProgramFailedError, Programs

pytestmark = pytest.mark.mesh

LOG = logging.getLogger(__name__)

SPANS_PER_SECOND = 200
SECONDS = 120.0
SPANS_PER_REPORT = 5  # Envoy flushes after this number of spans (tracing.zipkin.min_flush_spans).
READY_SECONDS = 180.0  # limit of the startup probe


@dataclass(frozen=True)
class Deployed:
    """A running Zipkin with the configuration of its pod."""

    settings: ZipkinCollectorSettings
    program: Program
    port: int
    limit: MemoryLimit | None

    def connection(self) -> closing[HTTPConnection]:
        """Open a connection whose timeout exceeds the storage timeout of Zipkin, 11 seconds."""
        return closing(HTTPConnection(LOOPBACK, self.port, timeout=20))

    @property
    def resident(self) -> float:
        """The resident memory of Zipkin, in MiB."""
        return float(psutil.Process(self.program.process.pid).memory_info().rss) / MEBIBYTE

    def metric(self, name: str, labels: str = "") -> float:
        """Return the sum of a Prometheus metric over all samples whose labels contain `labels`."""
        text = send_request(self.port, "/prometheus").text
        samples = re.findall(rf"^{re.escape(name)}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for sample_labels, value in samples if labels in sample_labels)


@contextmanager
def deployed(programs: Programs, **args: Any) -> Iterator[Deployed]:
    settings = ZipkinCollectorSettings.of("zipkin", args)  # type: ignore[arg-type]
    rendered = {variable["name"]: variable["value"] for variable in environment(settings)}
    port = free_port()
    # The only additions to the deployed options isolate the test: its own port on loopback, its own /tmp.
    isolation = [
        f"-Darmeria.ports[0].ip={LOOPBACK}",
        f"-Darmeria.ports[0].port={port}",
        "-Darmeria.ports[0].protocols[0]=http",
        f"-Djava.io.tmpdir={programs.make_directory('zipkin-tmp')}",
    ]
    java, jar = str(toolchain.program("java")), str(toolchain.program("zipkin"))
    command = [java, *rendered["JAVA_OPTS"].split(), *isolation, "-jar", jar]
    with memory_limit(bytes_of(settings.resources.memory_limit)) as limit:
        started = time.monotonic()
        program = programs.start(
            "zipkin as deployed", limit.command(*command) if limit else command, environment=rendered
        )
        try:
            programs.wait_until(
                lambda: send_request(port, LIVENESS_PATH).status == 200,
                "Zipkin",
                seconds=READY_SECONDS,
                program=program,
            )
            LOG.info("alive after %.1f s; limit set by the kernel: %s", time.monotonic() - started, bool(limit))
            yield Deployed(settings, program, port, limit)
        finally:
            programs.stop(program)


def envoy_span(chance: random.Random, trace_id: str) -> dict[str, Any]:
    """Return a span as Envoy sends it: about 1,000 bytes of JSON with fifteen tags, most of them unique."""
    service = chance.choice(["web", "payments", "orders", "catalogue"])
    instance = f"{service}-{chance.getrandbits(40):x}"
    return {
        "traceId": trace_id,
        "id": f"{chance.getrandbits(64) or 1:016x}",
        "kind": chance.choice(["CLIENT", "SERVER"]),
        "name": f"{service}.default.dc1.internal",
        "timestamp": int(time.time() * 1e6),
        "duration": chance.randrange(100, 90_000),
        "localEndpoint": {"serviceName": service, "ipv4": f"10.0.{chance.randrange(255)}.7", "port": 20000},
        "tags": {
            "component": "proxy",
            "downstream_cluster": "-",
            "guid:x-request-id": f"{chance.getrandbits(128):032x}",
            "http.method": "GET",
            "http.protocol": "HTTP/1.1",
            "http.status_code": "200",
            "http.url": f"http://{service}.example.com/api/items/{chance.getrandbits(40)}?page={chance.randrange(99)}",
            "node_id": f"{instance}-sidecar-proxy",
            "peer.address": f"10.0.{chance.randrange(255)}.{chance.randrange(255)}",
            "request_size": "0",
            "response_flags": "-",
            "response_size": str(chance.randrange(100_000)),
            "upstream_cluster": f"{service}.default.dc1.internal.7d0c2a2b-11d4-5a5b-8f7e-4b2d0e3a9c11.consul",
            "upstream_cluster.name": f"{service}.default.dc1.internal",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0",
            "zone": "zone-a",
        },
    }


def post_spans(connection: HTTPConnection, chance: random.Random, count: int) -> float:
    """Post one trace of `count` spans. Returns the response time in milliseconds."""
    trace_id = f"{chance.getrandbits(128) or 1:032x}"
    body = json.dumps([envoy_span(chance, trace_id) for _ in range(count)])
    begun = time.perf_counter()
    connection.request("POST", "/api/v2/spans", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    assert response.status == 202
    return (time.perf_counter() - begun) * 1000


@pytest.mark.nightly
def test_kernel_kills_a_program_that_exceeds_the_memory_limit(programs: Programs) -> None:
    with memory_limit(64 * MEBIBYTE) as limit:
        if limit is None:
            pytest.skip("control groups are not available: the memory tests only read the resident size")
        with pytest.raises(ProgramFailedError):
            programs.run("too large", limit.command(sys.executable, "-c", "bytearray(128 * 2**20)"))


@pytest.mark.nightly
def test_default_memory_limit_is_sufficient_under_load(programs: Programs) -> None:
    chance = random.Random(20261122)  # noqa: S311 - no secret
    with deployed(programs) as zipkin, zipkin.connection() as connection:
        allowed = bytes_of(zipkin.settings.resources.memory_limit) / MEBIBYTE
        latencies, residents = [], [zipkin.resident]
        begun = time.monotonic()
        for report in itertools.count():
            due = begun + report * SPANS_PER_REPORT / SPANS_PER_SECOND
            if due - begun >= SECONDS:
                break
            time.sleep(max(0.0, due - time.monotonic()))
            latencies.append(post_spans(connection, chance, SPANS_PER_REPORT))
            if report % 40 == 0:
                residents.append(zipkin.resident)
                assert residents[-1] <= allowed
        elapsed = time.monotonic() - begun
        # Exceed max_spans so that Zipkin evicts the oldest, and send the largest query of the user interface.
        reports = len(latencies)
        while reports * SPANS_PER_REPORT < zipkin.settings.max_spans * 1.3:
            post_spans(connection, chance, SPANS_PER_REPORT)
            reports += 1
        traces = request_json(zipkin.port, "/api/v2/traces?limit=1000&lookback=86400000")
        residents.append(zipkin.resident)
        counters = request_json(zipkin.port, "/metrics")
        cuts = statistics.quantiles(latencies, n=100)
        LOG.info("%d spans in %.1f s, then up to %d", len(latencies) * 5, elapsed, reports * SPANS_PER_REPORT)
        LOG.info("POST p50 %.1f ms, p99 %.1f ms, max %.1f ms", cuts[49], cuts[98], max(latencies))
        LOG.info("resident at most %.0f of %.0f MiB", max(residents), allowed)
        LOG.info("peak of the control group %.0f MiB", zipkin.limit.peak() if zipkin.limit else 0)
        LOG.info("heap used %.0f MiB", zipkin.metric("jvm_memory_used_bytes", 'area="heap"') / MEBIBYTE)
        for name in ("jvm_gc_pause_seconds_count", "jvm_gc_pause_seconds_sum", "jvm_gc_pause_seconds_max"):
            LOG.info("%s %g", name, zipkin.metric(name))
        assert zipkin.program.is_running
        assert elapsed < SECONDS * 1.05
        assert counters["counter.zipkin_collector.messages.http"] == reports
        assert counters["counter.zipkin_collector.messages_dropped.http"] == 0
        assert counters["counter.zipkin_collector.spans_dropped.http"] == 0
        assert len(traces) == 1000
        assert max(residents) <= allowed


@pytest.fixture(scope="module")
def smallest_zipkin(programs: Programs) -> Iterator[Deployed]:
    """A Zipkin with the smallest accepted memory limit."""
    with deployed(programs, resources={"memory_limit": "256Mi"}) as zipkin:
        yield zipkin


@pytest.mark.nightly
def test_smallest_memory_limit_is_sufficient_for_full_storage(smallest_zipkin: Deployed) -> None:
    chance = random.Random(20261122)  # noqa: S311 - no secret
    with smallest_zipkin.connection() as connection:
        for _ in range(smallest_zipkin.settings.max_spans * 3 // SPANS_PER_REPORT):
            post_spans(connection, chance, SPANS_PER_REPORT)
    assert request_json(smallest_zipkin.port, "/api/v2/traces?limit=1000&lookback=86400000")
    LOG.info("resident %.0f of 256 MiB, with %d spans", smallest_zipkin.resident, smallest_zipkin.settings.max_spans)
    assert smallest_zipkin.program.is_running
    assert smallest_zipkin.resident <= 256


@pytest.mark.slow
def test_ingress_path_serves_the_user_interface_and_rejects_spans(smallest_zipkin: Deployed) -> None:
    for path in ("/", "/config.json", "/api/v2/services", "/api/v2/traces?limit=1"):
        assert send_request(smallest_zipkin.port, f"{UI_PATH}{path}").status == 200
    post = partial(
        send_request, smallest_zipkin.port, method="POST", headers={"Content-Type": "application/json"}, body=b"[]"
    )
    assert post(f"{UI_PATH}/api/v2/spans").status in {404, 405}
    assert post("/api/v2/spans").status == 202
    for path in ("/actuator/env", "/metrics", "/prometheus"):
        assert send_request(smallest_zipkin.port, f"{UI_PATH}{path}").status == 404


@pytest.mark.slow
def test_unreachable_storage_makes_zipkin_unready_and_keeps_it_alive(programs: Programs) -> None:
    storage = {"elasticsearch": {"hosts": ["http://elasticsearch.nowhere.invalid:9200"]}}

    with deployed(programs, storage=storage) as zipkin, zipkin.connection() as connection:
        for _ in range(2):
            begun = time.monotonic()
            connection.request("GET", READINESS_PATH)
            response = connection.getresponse()
            health = json.loads(response.read())
            LOG.info("%s: %d %s after %.1f s", READINESS_PATH, response.status, health, time.monotonic() - begun)
            assert (response.status, health["status"]) == (503, "DOWN")
            assert send_request(zipkin.port, LIVENESS_PATH).status == 200
        assert zipkin.program.is_running
