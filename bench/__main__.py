"""`make bench`, or `python -m bench`: what the component costs, against the same entries written by hand.

Seconds are this machine's; what counts are the ratios, each of two runs that followed one another. Exits with 0
whatever the figures are, and with 1 only if something could not be run.
"""

import sys
from argparse import ArgumentParser, Namespace

from rich.console import Console

from bench import surroundings
from bench.comparison import Comparison
from bench.pulumi_runs import ups
from bench.python_processes import imports, program, validation
from bench.table import table
from demo.steps import Steps
from testbed.errors import Failure
from testbed.processes import Programs
from testbed.signals import Interrupted, raise_on_signals
from toolchain import MissingProgram

PAIRS = {"import": 15, "program": 7, "up": 3}
"""The measures, and how many pairs of runs each has."""

QUICK_SERVICES = 20

TABLE_WIDTH = 110
"""Columns, where no terminal says how many it has."""


def main() -> int:
    """Take the measures that were asked for and return the exit code."""
    raise_on_signals()
    asked = arguments()
    try:
        report(asked, Console() if sys.stdout.isatty() else Console(width=TABLE_WIDTH))
    except Interrupted as interruption:
        return interruption.exit_code
    except (Failure, MissingProgram) as failure:
        print(f"bench: {failure}", file=sys.stderr)  # noqa: T201 - where a failure belongs
        return 1
    return 0


def arguments() -> Namespace:
    """What was asked for on the command line."""
    parser = ArgumentParser(prog="python -m bench", description="What the component costs, as ratios.")
    parser.add_argument("--only", nargs="+", choices=PAIRS, default=list(PAIRS), help="these measures (default: all)")
    parser.add_argument("--services", type=int, default=1000, metavar="N", help="services of the mesh (default: 1000)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_SERVICES} services and one pair of runs each: whether it all works",
    )
    asked = parser.parse_args()
    if asked.quick:
        asked.services = QUICK_SERVICES
    return asked


def report(asked: Namespace, console: Console) -> None:
    """Measure, then print the table and what it depends on."""
    steps = Steps(console)
    figures: list[Comparison] = []
    for line in [*surroundings.packages(), *(surroundings.programs() if "up" in asked.only else [])]:
        steps.say(line)
    for measure in asked.only:
        with steps.step(measure):
            figures += measured(measure, asked.services, 1 if asked.quick else PAIRS[measure])
    steps.say(f"{surroundings.machine()} at the end\n")
    console.print(table(figures, ruled=console.is_terminal))


def measured(measure: str, services: int, pairs: int) -> list[Comparison]:
    """The figures of one measure."""
    match measure:
        case "import":
            return [*imports(pairs), *validation(pairs)]
        case "program":
            return program(services, pairs)
        case _:
            with Programs() as programs:
                return ups(programs, services, pairs)


if __name__ == "__main__":
    sys.exit(main())
