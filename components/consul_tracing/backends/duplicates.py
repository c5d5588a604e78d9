"""Detection of two components of one program that write the same entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pulumi.runtime.settings import get_monitor

from consul_tracing.errors import InvalidInputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consul_tracing.entries.entry import Entry

    from .base import Backend

Claim = tuple[object, object]
"""The mesh (server, provider) and the identity of an entry."""

_claims: dict[object, dict[Claim, str]] = {}
"""The component of each entry, by engine: one Python process may run several programs."""


def reject_duplicates(entries: Iterable[Entry], backend: Backend[Any]) -> None:
    """Raise InvalidInputError if another component of the program writes one of the entries to the same mesh."""
    claimed = _claims.setdefault(engine(), {})
    where, name = (backend.server, backend.scope()), backend.urn.rpartition("::")[2]
    problems = []
    for entry in entries:
        wanted = (where, entry.identity)
        # Pulumi itself rejects two components with the same name.
        if claimed.setdefault(wanted, name) != name:
            problems.append(Problem(entry.title, f'conflicts with "{claimed[wanted]}", which writes the same entry'))
    if problems:
        raise InvalidInputError(name, problems)


def engine() -> object:
    """Return the address of the engine: in a component plugin, each component has its own connection to one engine."""
    monitor = get_monitor()
    try:
        return monitor.RegisterResource._channel.target()  # type: ignore[union-attr]  # noqa: SLF001 - no public name
    except AttributeError:  # mocks
        return monitor
