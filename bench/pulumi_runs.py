"""The whole of `pulumi up` on a real Consul: first with nothing there, then again with nothing to do."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import BY_COMPONENT, BY_HAND, HERE
from bench.comparison import Comparison, Cost, comparisons
from testbed.consul import Consul
from testbed.errors import Failure
from testbed.processes import Programs
from testbed.pulumi import Project

WITHOUT_CHECKPOINTS = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""Both sides alike. Otherwise the engine writes the whole state after every resource, and that is most of the time:
65 s instead of 13 s for 1,000 entries, in which everything else disappears."""

OF_THE_SERVER = ("CreateIndex", "ModifyIndex", "Hash")
NOTHING_TO_DO = re.compile(r"Resources:\n +\d+ unchanged")


@dataclass(frozen=True)
class Ups:
    """One side's first and second `pulumi up`, and what Consul then held."""

    first: Cost
    again: Cost
    entries: list[Any]


def ups(programs: Programs, services: int, pairs: int) -> list[Comparison]:
    """`pulumi up` on an empty Consul, and once more with nothing changed.

    Every pair counts: beside what one run takes, a cold cache is nothing.
    """
    runs = [(_ups(programs, BY_HAND, services), _ups(programs, BY_COMPONENT, services)) for _ in range(pairs)]
    for by_hand, ours in runs:
        if by_hand.entries != ours.entries:
            raise Failure("bench: the two programs did not write the same entries, so their times cannot be compared")
    return [
        *comparisons(f"pulumi up, {services} services", [(by_hand.first, ours.first) for by_hand, ours in runs]),
        *comparisons("pulumi up again", [(by_hand.again, ours.again) for by_hand, ours in runs]),
    ]


def _ups(programs: Programs, program: str, services: int) -> Ups:
    consul = Consul(programs)
    consul.wait_until_ready()
    configuration = {"consul:address": consul.address, "bench:services": services}
    project = Project(programs, HERE / program, configuration, environment=WITHOUT_CHECKPOINTS)
    first, _ = _timed(project.up)
    again, said = _timed(project.up)
    if not NOTHING_TO_DO.search(said):
        raise Failure(f"bench: the second pulumi up of {program} changed something:\n{said}")
    entries = [
        without_marks(entry) for kind in ("proxy", "service") for entry in consul.get(f"/v1/config/{kind}-defaults")
    ]
    consul.stop()
    return Ups(first, again, entries)


def _timed(operation: Callable[[], str]) -> tuple[Cost, str]:
    began = time.perf_counter()
    said = operation()
    return Cost(time.perf_counter() - began), said


def without_marks(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as far as its writer's wishes go: no index, no `Meta`, and the JSON in its `Config` however spaced."""
    told = {field: value for field, value in entry.items() if field not in {*OF_THE_SERVER, "Meta"}}
    return {**told, "Config": {key: json.loads(f"[{text}]") for key, text in (entry.get("Config") or {}).items()}}
