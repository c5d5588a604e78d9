"""Programs run on Pulumi's mocks, which stand in for the engine."""

from collections.abc import Callable
from typing import Any

import pulumi


def run(program: Callable[[], Any]) -> None:
    """Run a program to its end, with what its Outputs raise."""
    pulumi.runtime.test(lambda: pulumi.Output.from_input(program()))()
