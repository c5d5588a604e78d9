"""What needs no other program: imports, and the programs under Pulumi's mocks. Each run is a process of its own."""

import resource
import subprocess
import sys
import time

from bench import BY_COMPONENT, BY_HAND
from bench.comparison import Comparison, Cost, comparisons, in_pairs
from testbed import CHECKOUT
from testbed.processes import ProgramFailed

PLAIN_IMPORT = "import pulumi, pulumi_consul"
OUR_IMPORT = "from consul_tracing import MeshTracing"
VALIDATION = """
from consul_tracing.settings import MeshSettings
MeshSettings.of("mesh", {"collector": {"host": "zipkin"}, "services": {"web": {"protocol": "http"}}})
"""


def imports(pairs: int) -> list[Comparison]:
    """Importing the component, against what its users import anyway."""
    return _against_plain_import("import", OUR_IMPORT, pairs)


def validation(pairs: int) -> list[Comparison]:
    """Importing the component and checking a mesh of one service, which is where pydantic is first needed."""
    return _against_plain_import("import, first mesh", OUR_IMPORT + VALIDATION, pairs)


def program(services: int, pairs: int) -> list[Comparison]:
    """The program alone, from its start to its last registration: an engine under mocks answers at once."""
    runs = in_pairs(
        lambda: cost_of("-m", "bench.under_mocks", BY_HAND, str(services)),
        lambda: cost_of("-m", "bench.under_mocks", BY_COMPONENT, str(services)),
        pairs,
    )
    return comparisons(f"program, {services} services", runs)


def _against_plain_import(measure: str, ours: str, pairs: int) -> list[Comparison]:
    return comparisons(measure, in_pairs(lambda: cost_of("-c", PLAIN_IMPORT), lambda: cost_of("-c", ours), pairs))


def cost_of(*arguments: str) -> Cost:
    """What this Python costs with `arguments`, from its start to its end; `ProgramFailed` unless its exit code is 0."""
    cpu_before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    began = time.perf_counter()
    ended = subprocess.run(  # noqa: S603 - this Python, with arguments from here
        [sys.executable, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - began
    if ended.returncode != 0:
        raise ProgramFailed(f"python {arguments[1].strip()}", ended.returncode, ended.stdout + ended.stderr)
    return Cost(wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - cpu_before)
