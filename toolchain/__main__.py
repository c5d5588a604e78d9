"""`python -m toolchain [NAMES…]`: get the real programs ahead of time, and see where each comes from.

A name may carry a version: `envoy@1.40.0`. Without names, everything that the mesh needs, or the tests on Kubernetes.
`python -m toolchain prune` removes from the cache what a newer entry has replaced.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from testbed.errors import Failure
from testbed.processes import Programs
from testbed.signals import Interrupted, raise_on_signals
from toolchain import prune
from toolchain.display import Display, display
from toolchain.errors import MissingProgram
from toolchain.programs import GO, KUBERNETES, MESH, named
from toolchain.provision import Program
from toolchain.sources import GoModule


@dataclass(frozen=True)
class Wish:
    """A program to get; `version` is exact, None for any supported one."""

    program: Program
    version: str | None = None

    @classmethod
    def of(cls, words: str) -> "Wish":
        """Read `name` or `name@version`. Raises `MissingProgram` for a name that is not in the table."""
        name, _, version = words.partition("@")
        return cls(named(name), version or None)

    @property
    def title(self) -> str:
        """The program with the version that is made when PATH has none."""
        return f"{self.program.name} {self.version or self.program.source.versions[0]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Get the programs and return the exit code: 0 when all are there, 1 when one is missing, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m toolchain", description=__doc__)
    needed = {"mesh": MESH, "kubernetes": KUBERNETES}
    parser.add_argument("names", nargs="*", help="default: all that --for needs")
    parser.add_argument("--for", dest="use", choices=needed, default="mesh", help="default: %(default)s")
    wanted = parser.parse_args(arguments)
    try:
        if wanted.names == ["prune"]:
            prune.prune()
            return 0
        wishes = [Wish.of(words) for words in wanted.names] or [Wish(program) for program in needed[wanted.use]]
        with display() as shown:
            return 0 if all_obtained(wishes, shown) else 1
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except Interrupted as interruption:
        print("toolchain: interrupted; unfinished programs are made the next time", file=sys.stderr)
        return interruption.exit_code


def all_obtained(wishes: Sequence[Wish], shown: Display) -> bool:
    """Get the programs, fetching beside building, and return whether all are there.

    A build keeps two cores busy and a download keeps none, so there is one lane for each and no third.
    """
    building = [wish for wish in wishes if wish.program.source.how == "built"]
    fetching = [wish for wish in wishes if wish.program.source.how == "fetched"]
    with Programs() as programs, ThreadPoolExecutor(max_workers=2) as lanes:
        try:
            built = lanes.submit(all_built, building, shown, programs)
            fetched = lanes.submit(lane_obtained, fetching, shown, programs)
            return all([built.result(), fetched.result()])
        except BaseException:
            # It ends the commands that the lanes wait for, and lets none start.
            programs.close()
            raise


def all_built(wishes: Sequence[Wish], shown: Display, programs: Programs) -> bool:
    """Build programs, Go first where one of them needs it."""
    modules = [wish for wish in wishes if isinstance(wish.program.source, GoModule)]
    ready = all(wish.program.is_ready(wish.version) for wish in modules)
    return (ready or lane_obtained([Wish(GO)], shown, programs)) and lane_obtained(wishes, shown, programs)


def lane_obtained(wishes: Sequence[Wish], shown: Display, programs: Programs) -> bool:
    """Get programs one after another, going on after one that cannot be had, and return whether all are there."""
    complete = True
    for wish in wishes:
        with shown.row(wish.title) as row:
            try:
                row.obtained(wish.program.obtain(wish.version, row, programs))
            except MissingProgram as missing:
                row.missing(missing)
                complete = False
    return complete


if __name__ == "__main__":
    raise_on_signals()
    sys.exit(main())
