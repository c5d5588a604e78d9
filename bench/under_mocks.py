"""`python -m bench.under_mocks PROGRAM SERVICES`: one of the two programs, without an engine and without a Consul."""

import runpy
import sys
from typing import Any

import pulumi

from bench import HERE
from testbed.event_loops import event_loops


class EmptyMesh(pulumi.runtime.Mocks):
    """An engine that takes every resource as it is, and a Consul without any entry."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """The resource as the program declared it."""
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """No entry, in the words that the provider repeats from Consul.

        Told as a failure: an exception would be kept by the SDK, and end the program though it was handled.
        """
        missing = f'"{args.args["kind"]}" / "{args.args["name"]}"'
        return {}, [("name", f"Unexpected response code: 404 (Config entry not found for {missing})")]


def run(program: str, services: str) -> None:
    """Run the program to its end, all of its resources registered."""
    with event_loops():
        pulumi.runtime.set_mocks(EmptyMesh(), project="bench", stack="dev", preview=False)
        pulumi.runtime.set_config("bench:services", services)
        pulumi.runtime.test(lambda: runpy.run_path(str(HERE / program), run_name="__main__"))()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    run(*sys.argv[1:])
