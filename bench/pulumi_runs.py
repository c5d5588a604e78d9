"""`pulumi preview` and `pulumi up` on a real Consul: first on an empty Consul, then without changes."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import BY_COMPONENT, BY_HAND, PROGRAMS
from bench.comparison import Comparison, Timing, compare
from bench.terraform_runs import Terraform
from testbed.consul import Consul
from testbed.errors import OperationalError
from testbed.processes import Programs
from testbed.pulumi import Project

WITHOUT_CHECKPOINTS = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""Environment of both programs. With checkpoints the engine spends most of the time on writing state after each
resource: 65 s instead of 13 s for 1,000 entries."""

SERVER_FIELDS = ("CreateIndex", "ModifyIndex", "Hash")
NO_CHANGES = re.compile(r"Resources:\n +\d+ unchanged")

OPERATIONS = ("pulumi preview", "pulumi up", "pulumi up again", "pulumi preview again")
"""The measured operations in their order. `again`: without changes."""


@dataclass(frozen=True)
class Operations:
    """Timings of one program by operation, and the resulting entries."""

    timings: dict[str, Timing]
    entries: list[Any]


def compare_operations(
    programs: Programs, services: int, pairs: int, terraform: Terraform | None = None
) -> list[Comparison]:
    """Compare `pulumi preview` and `pulumi up` of both programs, and those of the component with Terraform."""
    by_hand, component, applied = list[Operations](), list[Operations](), list[dict[str, Timing]]()
    for _ in range(pairs):
        by_hand.append(_operations(programs, BY_HAND, services))
        component.append(_operations(programs, BY_COMPONENT, services))
        if by_hand[-1].entries != component[-1].entries:
            raise OperationalError("the two programs wrote different entries, so their times are not comparable")
        if terraform is not None:
            applied.append(_applied(programs, terraform, services))
    comparisons = [
        each
        for operation in OPERATIONS
        for each in compare(
            f"{operation}, {services}",
            [(one.timings[operation], other.timings[operation]) for one, other in zip(by_hand, component, strict=True)],
        )
    ]
    for operation, counterpart in {"plan": "pulumi preview", "apply": "pulumi up"}.items() if applied else ():
        pairs_of = [(one[operation], other.timings[counterpart]) for one, other in zip(applied, component, strict=True)]
        comparisons += compare(f"{operation} → {counterpart}, {services}", pairs_of)
    return comparisons


def _operations(programs: Programs, program: str, services: int) -> Operations:
    consul = Consul(programs)
    consul.wait_until_ready()
    configuration = {"consul:address": consul.address, "bench:services": services}
    project = Project(programs, PROGRAMS / program, configuration, environment=WITHOUT_CHECKPOINTS)
    timings = {}
    for operation in OPERATIONS:
        run = project.preview_without_diff if "preview" in operation else project.up
        timings[operation], output = _timed(run)
        if "again" in operation and not NO_CHANGES.search(output):
            raise OperationalError(f"{operation} of {program} made changes:\n{output}")
    entries = [
        without_metadata(entry) for kind in ("proxy", "service") for entry in consul.get(f"/v1/config/{kind}-defaults")
    ]
    consul.stop()
    return Operations(timings, entries)


def _applied(programs: Programs, terraform: Terraform, services: int) -> dict[str, Timing]:
    consul = Consul(programs)
    consul.wait_until_ready()
    operations = terraform.operations(programs, consul.address, services)
    timings = {name: _timed(operation)[0] for name, operation in operations.items()}
    consul.stop()
    return timings


def _timed(operation: Callable[[], str]) -> tuple[Timing, str]:
    start = time.perf_counter()
    output = operation()
    return Timing(time.perf_counter() - start), output


def without_metadata(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the entry without indexes and `Meta`, and with the JSON in `Config` parsed."""
    fields = {field: value for field, value in entry.items() if field not in {*SERVER_FIELDS, "Meta"}}
    return {**fields, "Config": {key: json.loads(f"[{text}]") for key, text in (entry.get("Config") or {}).items()}}
