"""`python -m bench.under_mocks PROGRAM SERVICES`: run one of the two programs without engine and Consul."""

import runpy
import sys
from typing import Any

import pulumi

from bench import PROGRAMS
from testbed.event_loops import event_loops


class EmptyMesh(pulumi.runtime.Mocks):
    """An engine that accepts every resource and a Consul without entries."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Return the declared resource."""
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Return the failure of the provider for a missing entry.

        An exception would end the program even if the program handles it.
        """
        missing = f'"{args.args["kind"]}" / "{args.args["name"]}"'
        return {}, [("name", f"Unexpected response code: 404 (Config entry not found for {missing})")]


def run(program: str, services: str) -> None:
    """Run the program until all resources are registered."""
    with event_loops():
        pulumi.runtime.set_mocks(EmptyMesh(), project="bench", stack="dev", preview=False)
        pulumi.runtime.set_config("bench:services", services)
        pulumi.runtime.test(lambda: runpy.run_path(str(PROGRAMS / program), run_name="__main__"))()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    run(*sys.argv[1:])
