"""`python -m toolchain [NAMES…]`: get the real programs ahead of time, and see where each comes from.

A name may carry a version: `envoy@1.40.0`. Without names, everything that the mesh needs, or the tests on Kubernetes.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from toolchain.commands import RUNNING, Interrupted, exiting_on_sigterm
from toolchain.display import Display, display
from toolchain.programs import KUBERNETES, MESH, named
from toolchain.provision import MissingProgram, Program

INTERRUPTED = 130


@dataclass(frozen=True)
class Wish:
    """A program to get; `version` is exact, None for any that serves."""

    program: Program
    version: str | None = None

    @classmethod
    def of(cls, words: str) -> "Wish":
        """Read `name` or `name@version`. Raises `MissingProgram` for a name that is not in the table."""
        name, _, version = words.partition("@")
        return cls(named(name), version or None)

    @property
    def title(self) -> str:
        """The program with the version that is made when PATH has none that serves."""
        return f"{self.program.name} {self.version or self.program.source.versions[0]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Get the programs and return the exit code: 0 when all are there, 1 when one is missing, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m toolchain", description=__doc__)
    needed = {"mesh": MESH, "kubernetes": KUBERNETES}
    parser.add_argument("names", nargs="*", help="default: all that --for needs")
    parser.add_argument("--for", dest="use", choices=needed, default="mesh", help="default: %(default)s")
    wanted = parser.parse_args(arguments)
    try:
        wishes = [Wish.of(words) for words in wanted.names] or [Wish(program) for program in needed[wanted.use]]
        with exiting_on_sigterm(), display() as shown:
            return 0 if all_obtained(wishes, shown) else 1
    except MissingProgram as missing:
        print(missing, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("toolchain: interrupted; what was not finished is made anew next time", file=sys.stderr)
        return INTERRUPTED


def all_obtained(wishes: Sequence[Wish], shown: Display) -> bool:
    """Get the programs, fetching beside building, and return whether all are there.

    A build keeps two cores busy and a download keeps none, so there is one lane for each and no third.
    """
    building = [wish for wish in wishes if wish.program.source.how == "built"]
    fetching = [wish for wish in wishes if wish.program.source.how == "fetched"]
    with ThreadPoolExecutor(max_workers=2) as lanes:
        try:
            return all([*lanes.map(lambda lane: lane_obtained(lane, shown), (building, fetching))])
        except BaseException:
            RUNNING.end_all()
            raise


def lane_obtained(wishes: Sequence[Wish], shown: Display) -> bool:
    """Get programs one after another, going on after one that cannot be had, and return whether all are there."""
    there = True
    for wish in wishes:
        with shown.row(wish.title) as row:
            try:
                row.obtained(wish.program.obtain(wish.version, row))
            except MissingProgram as missing:
                row.missing(missing)
                there = False
            except Interrupted:
                return False
    return there


if __name__ == "__main__":
    sys.exit(main())
