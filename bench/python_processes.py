"""Benchmarks without other programs: imports, and Pulumi programs with mocks. Each run is a separate process."""

import resource
import subprocess
import sys
import time

from bench import BY_COMPONENT, BY_HAND
from bench.comparison import Comparison, Timing, compare, run_pairs
from testbed import CHECKOUT
from testbed.processes import ProgramFailedError

BASELINE_IMPORT = "import pulumi, pulumi_consul"
COMPONENT_IMPORT = "from consul_tracing import MeshTracing"
VALIDATION = """
from consul_tracing.inputs.mesh_settings import MeshSettings
MeshSettings.of("mesh", {"collector": {"host": "zipkin"}, "services": {"web": {"protocol": "http"}}})
"""


def compare_imports(pairs: int) -> list[Comparison]:
    """Compare the import of the component with the imports of a program without it."""
    return _compare_with_import("import", COMPONENT_IMPORT, pairs)


def compare_validation(pairs: int) -> list[Comparison]:
    """Compare import and first validation, which imports pydantic, with the imports of a program without them."""
    return _compare_with_import("import, first mesh", COMPONENT_IMPORT + VALIDATION, pairs)


def compare_programs(services: int, pairs: int) -> list[Comparison]:
    """Compare the two programs with mocks, which respond immediately, from start to last registration."""
    runs = run_pairs(
        lambda: run_python("-m", "bench.under_mocks", BY_HAND, str(services)),
        lambda: run_python("-m", "bench.under_mocks", BY_COMPONENT, str(services)),
        pairs,
    )
    return compare(f"program, {services} services", runs)


def _compare_with_import(measure: str, program: str, pairs: int) -> list[Comparison]:
    runs = run_pairs(lambda: run_python("-c", BASELINE_IMPORT), lambda: run_python("-c", program), pairs)
    return compare(measure, runs)


def run_python(*arguments: str) -> Timing:
    """Run this Python and measure the process. Raises `ProgramFailedError` unless the exit code is 0."""
    cpu_before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    start = time.perf_counter()
    result = subprocess.run(  # noqa: S603 - this Python with fixed arguments
        [sys.executable, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - start
    if result.returncode != 0:
        raise ProgramFailedError(f"python {arguments[1].strip()}", result.returncode, result.stdout + result.stderr)
    return Timing(wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - cpu_before)
