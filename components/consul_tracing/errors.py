"""What callers are told when their input cannot be used."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_SHOWN = 60
"""Characters of a value that a message repeats; the rest adds nothing to finding it."""


LONGEST_LISTED = 20
"""Allowed keys that a message lists; from a longer list the nearest one helps more."""


@dataclass(frozen=True)
class Problem:
    """One input that cannot be used."""

    path: str
    """Where it stands, as the caller wrote it: `services.web.protocol`."""

    reason: str
    """What was given (unless it may be a secret), and what is allowed."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class InvalidInput(pulumi.RunError, ValueError):
    """Inputs of one component that cannot be used, all of them told together.

    A `pulumi.RunError`, so that Pulumi shows the message and no traceback; a `ValueError`, so that Python code that
    builds arguments can catch it as one.
    """

    problems: tuple[Problem, ...]
    """Each input that cannot be used, in the order of the paths."""

    def __init__(self, component: str, problems: Iterable[Problem]) -> None:
        """Tell `problems` of the component called `component`."""
        self.problems = tuple(sorted(problems, key=lambda problem: problem.path))
        count = "an input" if len(self.problems) == 1 else f"{len(self.problems)} inputs"
        told = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f'consul-tracing: {count} of "{component}" cannot be used\n{told}')


class WrongOutput(pulumi.RunError):
    """An Output that resolved to what cannot be used, told as InvalidInput tells it.

    No ValueError: Pulumi wraps one that is raised in an `apply` in its own, and shows a traceback.
    """


def given(value: object) -> str:
    """`value` as a message repeats it: JSON for plain values, their kind for anything larger."""
    match value:
        case str() if "-----BEGIN" in value:
            return "key material (not shown)"
        case str() if len(value) > LONGEST_SHOWN:
            return json.dumps(value[:LONGEST_SHOWN] + "…", ensure_ascii=False)
        case str() | bool() | int() | float() | None:
            return json.dumps(value, ensure_ascii=False)
        case dict():
            return "a map"
        case list() | tuple():
            return "a list"
        case pulumi.Output():
            return "an Output"
        case _:
            return f"a {type(value).__name__}"


def one_of(names: Iterable[str]) -> str:
    """`names` as a message lists them."""
    return ", ".join(names)


def numbered(commands: Sequence[str]) -> list[str]:
    """The remedies of a message in the order of execution, a line each."""
    return [f"  {number}. {command}" for number, command in enumerate(commands, 1)]


def unknown_key(key: str, allowed: Sequence[str]) -> str:
    """Why `key` is refused, with the nearest allowed one."""
    near = difflib.get_close_matches(key, allowed, n=1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    known = "" if len(allowed) > LONGEST_LISTED else f"allowed: {one_of(allowed)}"
    return f"there is no such key; {hint}{known}".strip("; ")


class Refused(pulumi.RunError):
    """The mesh is in a state in which writing would do harm; the message says which, and the ways on."""

    def __init__(self, what: str, *ways_on: str) -> None:
        """Tell `what` is in the way, and the `ways_on`, a line each."""
        super().__init__("\n  ".join([f"consul-tracing: {what}", *ways_on]))


class NotSynced(pulumi.RunError):
    """consul-k8s has not brought into Consul what was written; the message holds its controller's own reason."""


class Unreadable(Exception):
    """What is there could not be read: out of reach, or refused. The message is the server's own."""
