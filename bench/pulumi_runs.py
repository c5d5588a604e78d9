"""`pulumi preview` and `pulumi up` on a real Consul: first on an empty Consul, then without changes."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import BY_COMPONENT, BY_HAND, PROGRAMS
from bench.comparison import Comparison, Timing, compare
from testbed.consul import Consul
from testbed.errors import OperationalError
from testbed.processes import Programs
from testbed.pulumi import Project

WITHOUT_CHECKPOINTS = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""Environment of both programs. With checkpoints the engine spends most of the time on writing state after each
resource: 65 s instead of 13 s for 1,000 entries."""

SERVER_FIELDS = ("CreateIndex", "ModifyIndex", "Hash")
NO_CHANGES = re.compile(r"Resources:\n +\d+ unchanged")


@dataclass(frozen=True)
class Runs:
    """Previews and ups of one program, and the resulting entries."""

    timings: dict[str, Timing]
    """By operation: on an empty Consul, then without changes."""

    entries: list[Any]


def compare_ups(programs: Programs, services: int, pairs: int) -> list[Comparison]:
    """Compare previews and ups, on an empty Consul and without changes."""
    runs = [(_runs(programs, BY_HAND, services), _runs(programs, BY_COMPONENT, services)) for _ in range(pairs)]
    for by_hand, component in runs:
        if by_hand.entries != component.entries:
            raise OperationalError("the two programs wrote different entries, so their times are not comparable")
    return [
        comparison
        for operation in runs[0][0].timings
        for comparison in compare(
            f"{operation}, {services} services",
            [(by_hand.timings[operation], component.timings[operation]) for by_hand, component in runs],
        )
    ]


def _runs(programs: Programs, program: str, services: int) -> Runs:
    consul = Consul(programs)
    consul.wait_until_ready()
    configuration = {"consul:address": consul.address, "bench:services": services}
    project = Project(programs, PROGRAMS / program, configuration, environment=WITHOUT_CHECKPOINTS)
    timings: dict[str, Timing] = {}
    timings["preview"], _ = _timed(project.preview_without_diff)
    timings["up"], _ = _timed(project.up)
    timings["preview again"], _ = _timed(project.preview_without_diff)
    timings["up again"], output = _timed(project.up)
    if not NO_CHANGES.search(output):
        raise OperationalError(f"the second pulumi up of {program} made changes:\n{output}")
    entries = [
        without_metadata(entry) for kind in ("proxy", "service") for entry in consul.get(f"/v1/config/{kind}-defaults")
    ]
    consul.stop()
    return Runs(timings, entries)


def _timed(operation: Callable[[], str]) -> tuple[Timing, str]:
    start = time.perf_counter()
    output = operation()
    return Timing(time.perf_counter() - start), output


def without_metadata(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the entry without indexes and `Meta`, and with the JSON in `Config` parsed."""
    fields = {field: value for field, value in entry.items() if field not in {*SERVER_FIELDS, "Meta"}}
    return {**fields, "Config": {key: json.loads(f"[{text}]") for key, text in (entry.get("Config") or {}).items()}}
