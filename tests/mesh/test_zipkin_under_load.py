"""The real Zipkin with exactly the variables and the memory limit that `ZipkinCollector` deploys it with.

`pytest --log-cli-level=INFO` logs the figures; docs/collector.md has those of a run of 120 s.
"""

import itertools
import json
import logging
import os
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
from consul_tracing.collector_fields import bytes_of
from consul_tracing.collector_settings import UI_PATH, ZipkinCollectorSettings
from consul_tracing.zipkin_manifests import LIVENESS_PATH, READINESS_PATH, environment
from testbed.http import ask, ask_json
from testbed.memory_limits import MEBIBYTE, MemoryLimit, memory_limit
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, ProgramFailed, Programs

# One worker: two loads on the same cores would measure each other.
pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.xdist_group("load")]

LOG = logging.getLogger(__name__)

SPANS_PER_SECOND = 200
SECONDS = float(os.environ.get("CONSUL_TRACING_LOAD_SECONDS", "30"))
SPANS_PER_REPORT = 5  # Envoy sends as soon as it has so many (tracing.zipkin.min_flush_spans).
READY_SECONDS = 180.0  # what the startup probe allows


@dataclass(frozen=True)
class Deployed:
    """Zipkin, running as it would in its pod."""

    settings: ZipkinCollectorSettings
    program: Program
    port: int
    limit: MemoryLimit | None

    def connection(self) -> closing[HTTPConnection]:
        """A connection that stays open, and waits longer than Zipkin does for its storage, 11 seconds."""
        return closing(HTTPConnection(LOOPBACK, self.port, timeout=20))

    @property
    def resident(self) -> float:
        """The memory that is Zipkin's alone, in MiB."""
        return float(psutil.Process(self.program.process.pid).memory_info().rss) / MEBIBYTE

    def metric(self, name: str, labels: str = "") -> float:
        """The sum of one of its metrics for Prometheus over all whose labels hold `labels`."""
        text = ask(self.port, "/prometheus").text
        found = re.findall(rf"^{re.escape(name)}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for held, value in found if labels in held)


@contextmanager
def deployed(programs: Programs, **args: Any) -> Iterator[Deployed]:
    settings = ZipkinCollectorSettings.of("zipkin", args)  # type: ignore[arg-type]
    rendered = {variable["name"]: variable["value"] for variable in environment(settings)}
    port = free_port()
    # Beside what is deployed only what keeps a test to itself: its own port, on this machine alone, its own /tmp.
    apart = [
        f"-Darmeria.ports[0].ip={LOOPBACK}",
        f"-Darmeria.ports[0].port={port}",
        "-Darmeria.ports[0].protocols[0]=http",
        f"-Djava.io.tmpdir={programs.make_directory('zipkin-tmp')}",
    ]
    java, jar = str(toolchain.program("java")), str(toolchain.program("zipkin"))
    command = [java, *rendered["JAVA_OPTS"].split(), *apart, "-jar", jar]
    with memory_limit(bytes_of(settings.resources.memory_limit)) as limit:
        started = time.monotonic()
        program = programs.start(
            "zipkin as deployed", limit.command(*command) if limit else command, environment=rendered
        )
        try:
            programs.wait_until(
                lambda: ask(port, LIVENESS_PATH).status == 200, "Zipkin", seconds=READY_SECONDS, program=program
            )
            LOG.info("alive after %.1f s; limit set by the kernel: %s", time.monotonic() - started, bool(limit))
            yield Deployed(settings, program, port, limit)
        finally:
            programs.stop(program)


def envoys_span(chance: random.Random, trace_id: str) -> dict[str, Any]:
    """A span as Consul's proxies send them: some 1,000 bytes of JSON, with fifteen tags that mostly differ."""
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
    """Post one trace of `count` spans; how long the answer took, in milliseconds."""
    trace_id = f"{chance.getrandbits(128) or 1:032x}"
    body = json.dumps([envoys_span(chance, trace_id) for _ in range(count)])
    begun = time.perf_counter()
    connection.request("POST", "/api/v2/spans", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 202
    return (time.perf_counter() - begun) * 1000


def test_the_kernel_ends_a_program_that_exceeds_the_memory_limit(programs: Programs) -> None:
    with memory_limit(64 * MEBIBYTE) as limit:
        if limit is None:
            pytest.skip("no control group can be made here: the tests of Zipkin's memory read its resident size alone")
        with pytest.raises(ProgramFailed):
            programs.run("too large", limit.command(sys.executable, "-c", "bytearray(128 * 2**20)"))


def test_the_default_memory_bears_a_load_and_more_spans_than_it_keeps(programs: Programs) -> None:
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
        took = time.monotonic() - begun
        # Past what is kept, so that the eldest go; and a query as large as the interface ever makes.
        reports = len(latencies)
        while reports * SPANS_PER_REPORT < zipkin.settings.max_spans * 1.3:
            post_spans(connection, chance, SPANS_PER_REPORT)
            reports += 1
        found = ask_json(zipkin.port, "/api/v2/traces?limit=1000&lookback=86400000")
        residents.append(zipkin.resident)
        counted = ask_json(zipkin.port, "/metrics")
        cuts = statistics.quantiles(latencies, n=100)
        LOG.info("%d spans in %.1f s, then up to %d", len(latencies) * 5, took, reports * SPANS_PER_REPORT)
        LOG.info("POST p50 %.1f ms, p99 %.1f ms, max %.1f ms", cuts[49], cuts[98], max(latencies))
        LOG.info("resident at most %.0f of %.0f MiB", max(residents), allowed)
        LOG.info("peak of the control group %.0f MiB", zipkin.limit.peak() if zipkin.limit else 0)
        LOG.info("heap used %.0f MiB", zipkin.metric("jvm_memory_used_bytes", 'area="heap"') / MEBIBYTE)
        for name in ("jvm_gc_pause_seconds_count", "jvm_gc_pause_seconds_sum", "jvm_gc_pause_seconds_max"):
            LOG.info("%s %g", name, zipkin.metric(name))
        assert zipkin.program.is_running
        assert took < SECONDS * 1.05
        assert counted["counter.zipkin_collector.messages.http"] == reports
        assert counted["counter.zipkin_collector.messages_dropped.http"] == 0
        assert counted["counter.zipkin_collector.spans_dropped.http"] == 0
        assert len(found) == 1000
        assert max(residents) <= allowed


@pytest.fixture(scope="module")
def smallest(programs: Programs) -> Iterator[Deployed]:
    """A Zipkin with the least memory that is accepted."""
    with deployed(programs, resources={"memory_limit": "256Mi"}) as zipkin:
        yield zipkin


def test_the_smallest_memory_bears_a_full_memory(smallest: Deployed) -> None:
    chance = random.Random(20261122)  # noqa: S311 - no secret
    with smallest.connection() as connection:
        for _ in range(smallest.settings.max_spans * 3 // SPANS_PER_REPORT):
            post_spans(connection, chance, SPANS_PER_REPORT)
    assert ask_json(smallest.port, "/api/v2/traces?limit=1000&lookback=86400000")
    LOG.info("resident %.0f of 256 MiB, with %d spans", smallest.resident, smallest.settings.max_spans)
    assert smallest.program.is_running
    assert smallest.resident <= 256


def test_what_the_ingress_lets_in_is_the_interface_and_takes_no_spans(smallest: Deployed) -> None:
    for path in ("/", "/config.json", "/api/v2/services", "/api/v2/traces?limit=1"):
        assert ask(smallest.port, f"{UI_PATH}{path}").status == 200
    post = partial(ask, smallest.port, method="POST", headers={"Content-Type": "application/json"}, body=b"[]")
    assert post(f"{UI_PATH}/api/v2/spans").status in {404, 405}
    assert post("/api/v2/spans").status == 202
    for path in ("/actuator/env", "/metrics", "/prometheus"):
        assert ask(smallest.port, f"{UI_PATH}{path}").status == 404


def test_a_storage_that_is_not_there_makes_zipkin_unready_and_does_not_end_it(programs: Programs) -> None:
    storage = {"elasticsearch": {"hosts": ["http://elasticsearch.nowhere.invalid:9200"]}}

    with deployed(programs, storage=storage) as zipkin, zipkin.connection() as connection:
        for _ in range(2):
            begun = time.monotonic()
            connection.request("GET", READINESS_PATH)
            answer = connection.getresponse()
            health = json.loads(answer.read())
            LOG.info("%s: %d %s after %.1f s", READINESS_PATH, answer.status, health, time.monotonic() - begun)
            assert (answer.status, health["status"]) == (503, "DOWN")
            assert ask(zipkin.port, LIVENESS_PATH).status == 200
        assert zipkin.program.is_running
