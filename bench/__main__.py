"""`make bench`, or `python -m bench`: overhead of the component compared with the same entries written by hand.

Ratios of consecutive runs are comparable between machines, seconds are not. The exit code is 1 only if a run failed.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from rich.console import Console

from bench import environment
from bench.comparison import Comparison
from bench.pulumi_runs import compare_operations
from bench.python_processes import compare_imports, compare_programs, compare_validation
from bench.table import table
from bench.terraform_runs import Terraform, UnavailableError
from demo.steps import Steps
from testbed.errors import OperationalError
from testbed.processes import Programs
from testbed.signals import InterruptError, raise_on_signals

PAIRS = {"import": 15, "program": 7, "up": 3}
"""Number of run pairs by measure. `up` includes `preview`."""

SERVICES = (100, 1000)
"""Sizes of the meshes."""

QUICK_SERVICES = 20

TABLE_WIDTH = 110
"""Number of columns without a terminal."""


def main() -> int:
    """Run the benchmarks and return the exit code."""
    raise_on_signals()
    options = parse_arguments()
    try:
        report(options, Console() if sys.stdout.isatty() else Console(width=TABLE_WIDTH))
    except InterruptError as interrupt:
        return interrupt.exit_code
    except OperationalError as error:
        print(f"bench: {error}", file=sys.stderr)  # noqa: T201 - output for a terminal
        return 1
    return 0


def parse_arguments() -> Namespace:
    """Parse the command line."""
    parser = ArgumentParser(prog="python -m bench", description="Overhead of the component, as ratios.")
    parser.add_argument("--only", nargs="+", choices=PAIRS, default=list(PAIRS), help="measures (default: all)")
    parser.add_argument(
        "--services",
        nargs="+",
        type=int,
        default=SERVICES,
        metavar="N",
        help="services of the meshes (default: 100 1000)",
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"smoke test: {QUICK_SERVICES} services, one pair of runs per measure"
    )
    options = parser.parse_args()
    if options.quick:
        options.services = [QUICK_SERVICES]
    return options


def report(options: Namespace, console: Console) -> None:
    """Run the measures and print their environment and the table."""
    steps = Steps(console)
    comparisons: list[Comparison] = []
    for line in [*environment.packages(), *(environment.programs() if "up" in options.only else [])]:
        steps.print(line)
    for measure in options.only:
        with steps.step(measure):
            comparisons += run_measure(measure, options.services, 1 if options.quick else PAIRS[measure], steps)
    steps.print(f"{environment.machine()} at the end\n")
    console.print(table(comparisons, ruled=console.is_terminal))


def run_measure(measure: str, sizes: Sequence[int], pairs: int, steps: Steps) -> list[Comparison]:
    """Run one measure for each number of services."""
    match measure:
        case "import":
            return [*compare_imports(pairs), *compare_validation(pairs)]
        case "program":
            return [each for services in sizes for each in compare_programs(services, pairs)]
        case _:
            with Programs() as programs:
                terraform = find_terraform(programs, steps)
                return [each for services in sizes for each in compare_operations(programs, services, pairs, terraform)]


def find_terraform(programs: Programs, steps: Steps) -> Terraform | None:
    """Return the Terraform to compare with. Without one, print that the comparison is skipped."""
    try:
        return Terraform.available(programs)
    except UnavailableError as reason:
        steps.print(f"skipped: comparison with Terraform: {reason}")
        return None


if __name__ == "__main__":
    sys.exit(main())
