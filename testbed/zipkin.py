"""A Zipkin server that keeps its spans in memory."""

import time
from collections.abc import Mapping
from typing import Any

import toolchain
from testbed.http import RequestError, request_json, send_request, url
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs

Span = dict[str, Any]
"""A span in Zipkin's JSON format v2: https://zipkin.io/zipkin-api/#/default/get_trace__traceId_"""

READY_SECONDS = 60.0
TRACE_SECONDS = 20.0

# Halves the start time and reduces the throughput, which is irrelevant here.
_QUICK_START = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dspring.main.lazy-initialization=true",
)


class Zipkin:
    """Zipkin on 127.0.0.1. It is ready after about five seconds."""

    def __init__(self, programs: Programs, environment: Mapping[str, str] | None = None) -> None:
        """Start Zipkin on a free port. `environment`: additional environment variables."""
        self.port = free_port()
        self._environment = environment
        self._programs = programs
        self.program = self.start()

    @property
    def url(self) -> str:
        """URL of the web interface."""
        return url(self.port, "/zipkin/")

    def start(self) -> Program:
        """Start Zipkin without spans. A restart uses the same port."""
        # QUERY_PORT would listen on every address of this machine.
        listener = [
            f"-Darmeria.ports[0].ip={LOOPBACK}",
            f"-Darmeria.ports[0].port={self.port}",
            "-Darmeria.ports[0].protocols[0]=http",
            # The resolver of Armeria also listens on every address.
            "-Dcom.linecorp.armeria.useJdkDnsResolver=true",
        ]
        # Java ignores TMPDIR and would leave libraries and performance counters in /tmp.
        temporary_files = [f"-Djava.io.tmpdir={self._programs.make_directory('zipkin-tmp')}", "-XX:-UsePerfData"]
        java, jar = toolchain.program("java"), toolchain.program("zipkin")
        self.program = self._programs.start(
            "zipkin",
            [java, *_QUICK_START, *temporary_files, *listener, "-jar", jar],
            environment=self._environment,
        )
        return self.program

    def stop(self) -> None:
        """Stop Zipkin and discard its spans."""
        self._programs.stop(self.program)

    def wait_until_ready(self) -> None:
        """Wait until Zipkin is healthy."""
        self._programs.wait_until(
            lambda: request_json(self.port, "/health"), "a healthy Zipkin", seconds=READY_SECONDS, program=self.program
        )

    def traces(self, limit: int = 1000, *, since: float = 0) -> list[list[Span]]:
        """Return the traces since a Unix time, each as a list of spans."""
        end = round(time.time() * 1000)
        window = f"endTs={end}&lookback={end - int(since * 1000)}"
        traces: list[list[Span]] = request_json(self.port, f"/api/v2/traces?{window}&limit={limit}")
        return traces

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of this trace that have arrived."""
        response = send_request(self.port, f"/api/v2/trace/{trace_id}")
        spans: list[Span] = response.json() if response.status == 200 else []  # noqa: PLR2004 - else 404
        return spans

    def wait_for_spans(self, trace_id: str, count: int, *, seconds: float = TRACE_SECONDS) -> list[Span]:
        """Wait until at least `count` spans of this trace have arrived."""

        def arrived() -> list[Span]:
            spans = self.trace(trace_id)
            if len(spans) < count:
                raise RequestError(f"{len(spans)} have arrived")
            return spans

        return self._programs.wait_until(arrived, f"{count} spans of trace {trace_id}", seconds=seconds)
