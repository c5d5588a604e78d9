"""A Zipkin of the run's own, with its spans in memory."""

import json
from typing import Any

import toolchain
from testbed.http import NotAnswered, ask, ask_json, url
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs

Span = dict[str, Any]
"""A span in Zipkin's second JSON format: https://zipkin.io/zipkin-api/#/default/get_trace__traceId_"""

READY_SECONDS = 60.0
TRACE_SECONDS = 20.0

# Ready in half the time, at the price of throughput that nobody here needs.
_QUICK_START = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dspring.main.lazy-initialization=true",
)


class Zipkin:
    """Zipkin, listening on 127.0.0.1 alone. It takes about five seconds to be ready."""

    def __init__(self, programs: Programs) -> None:
        """Start Zipkin on a free port."""
        self.port = free_port()
        self._programs = programs
        self.program = self.start()

    @property
    def url(self) -> str:
        """Address of the web interface."""
        return url(self.port, "/zipkin/")

    def page_of(self, trace_id: str) -> str:
        """Address of a trace in the web interface."""
        return url(self.port, f"/zipkin/traces/{trace_id}")

    def start(self) -> Program:
        """Start Zipkin, with no spans in it; again after a stop, on the same port."""
        # QUERY_PORT alone would listen on every address of the machine.
        listener = [
            f"-Darmeria.ports[0].ip={LOOPBACK}",
            f"-Darmeria.ports[0].port={self.port}",
            "-Darmeria.ports[0].protocols[0]=http",
            # Its own resolver listens on every address too, and there is no name to look up.
            "-Dcom.linecorp.armeria.useJdkDnsResolver=true",
        ]
        # Java asks no TMPDIR, and leaves unpacked libraries and its counters where all users' temporary files are.
        litter = [f"-Djava.io.tmpdir={self._programs.make_directory('zipkin-tmp')}", "-XX:-UsePerfData"]
        java, jar = toolchain.program("java"), toolchain.program("zipkin")
        self.program = self._programs.start("zipkin", [java, *_QUICK_START, *litter, *listener, "-jar", jar])
        return self.program

    def stop(self) -> None:
        """End Zipkin and forget every span."""
        self._programs.stop(self.program)

    def wait_until_ready(self) -> None:
        """Wait until it takes spans and answers."""
        self._programs.wait_until(
            lambda: ask_json(self.port, "/health"), "a healthy Zipkin", seconds=READY_SECONDS, program=self.program
        )

    def traces(self, limit: int = 1000) -> list[list[Span]]:
        """Every trace of the last day, each a list of spans."""
        traces: list[list[Span]] = ask_json(self.port, f"/api/v2/traces?lookback=86400000&limit={limit}")
        return traces

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of this trace that have arrived; none is an empty list."""
        answer = ask(self.port, f"/api/v2/trace/{trace_id}")
        spans: list[Span] = answer.json() if answer.status == 200 else []  # noqa: PLR2004 - else 404
        return spans

    def wait_for_spans(self, trace_id: str, count: int, *, seconds: float = TRACE_SECONDS) -> list[Span]:
        """Wait until at least so many spans of this trace have arrived."""

        def enough() -> list[Span]:
            spans = self.trace(trace_id)
            if len(spans) < count:
                raise NotAnswered(f"{len(spans)} arrived")
            return spans

        return self._programs.wait_until(enough, f"{count} spans of trace {trace_id}", seconds=seconds)

    def report(self, spans: list[Span]) -> None:
        """Send spans as a program outside the mesh would."""
        body = json.dumps(spans).encode()
        ask(self.port, "/api/v2/spans", method="POST", headers={"Content-Type": "application/json"}, body=body)
