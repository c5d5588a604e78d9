"""Which entries the components of one program write: two that write one entry would undo each other's work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi.runtime.settings import get_monitor

from .errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .entries import Entry
    from .writers import Writer

Claim = tuple[object, object]
"""Where it is written (server, provider), and the entry's identity."""

_claims: dict[object, dict[Claim, str]] = {}
"""By the engine that a program runs under, since one Python process may run several programs one after another."""


def claim(entries: Iterable[Entry], writer: Writer, name: str) -> None:
    """Note that the component called `name` writes `entries` with `writer`.

    Raises InvalidInput for entries that another component of the program writes to the same Consul.
    """
    claimed = _claims.setdefault(engine(), {})
    where = writer.place.server, writer.scope()
    problems = []
    for entry in entries:
        wanted = (where, entry.identity)
        # Two components of one name are Pulumi's to refuse; unit tests make the same one again and again.
        if claimed.setdefault(wanted, name) != name:
            problems.append(Problem(f"{entry.kind}/{entry.name}", f'is written by "{claimed[wanted]}" as well'))
    if problems:
        raise InvalidInput(name, problems)


def engine() -> object:
    """The address of the engine: in a component plugin each component has a connection of its own to one engine."""
    monitor = get_monitor()
    try:
        return monitor.RegisterResource._channel.target()  # type: ignore[union-attr]  # noqa: SLF001 - it has no other
    except AttributeError:  # mocks
        return monitor
