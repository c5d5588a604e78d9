"""`consul-tracing verify --interval` as a process, and its metrics."""

import re
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from testbed.http import send_request
from testbed.ports import free_port
from testbed.processes import Program, Programs
from tests.mesh.traced_mesh import TracedMesh
from tests.mesh.verify_runs import arguments

SAMPLE = re.compile(
    r"^consul_tracing_verify_(\w+?)(?:\{(?:code|service|result)=\"([^\"]+)\".*\})? (\S+)$", re.MULTILINE
)

STOP_SECONDS = 5


@dataclass(frozen=True)
class Monitor:
    """A running monitor."""

    programs: Programs
    program: Program
    port: int

    def values(self, name: str) -> Mapping[str, float]:
        """Return the samples of a metric, by their first label. Raises RequestError before the port is open."""
        text = send_request(self.port, "/metrics").text
        return {label: float(value) for one, label, value in SAMPLE.findall(text) if one == name}

    @property
    def is_complete(self) -> bool:
        """Whether the last run found complete traces."""
        return self.values("complete") == {"": 1}

    @property
    def causes(self) -> set[str]:
        """The codes of the last run."""
        return {code for code, number in self.values("causes").items() if number}

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.program.process.send_signal(signal.SIGTERM)
        exit_code = self.program.process.wait(STOP_SECONDS)
        self.programs.stop(self.program)
        return exit_code


def command(traced: TracedMesh, *options: str, **more: Any) -> list[str]:
    """Return the command line of a monitor. The last one of repeated options counts."""
    return [sys.executable, "-m", "consul_tracing.cli", *arguments(traced, *options, **more)]


@contextmanager
def monitor(traced: TracedMesh, *options: str, interval: int = 1, **more: Any) -> Iterator[Monitor]:
    """Run a monitor until the end of the block."""
    programs, port = traced.mesh.programs, free_port()
    own = [f"--interval={interval}", f"--metrics={port}", "--format=text"]
    program = programs.start(
        "monitor", command(traced, *own, *options, **more), environment=traced.mesh.consul.environment
    )
    try:
        yield Monitor(programs, program, port)
    finally:
        programs.stop(program)
