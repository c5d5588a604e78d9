"""Which entries the components of one program write: two that write one entry would undo each other's work."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pulumi.runtime.settings import get_monitor

from .errors import InvalidInput, Problem
from .writers import CONFIG_ENTRY

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pulumi

    from .entries import Entry

Claim = tuple[object, str, str, str | None, str | None]
"""Provider (None for the stack's own), kind, name, namespace, partition."""

_claims: WeakKeyDictionary[object, dict[Claim, str]] = WeakKeyDictionary()
"""By the engine that a program runs under, since one Python process may run several programs one after another."""


def claim(entries: Iterable[Entry], component: pulumi.ComponentResource, name: str) -> None:
    """Note that `component`, called `name`, writes `entries`.

    Raises InvalidInput for entries that another component of the program writes to the same Consul.
    """
    claimed = _claims.setdefault(get_monitor(), {})
    provider = component.get_provider(CONFIG_ENTRY)
    problems = []
    for entry in entries:
        wanted = (provider, entry.kind, entry.name, entry.namespace, entry.partition)
        # Two components of one name are Pulumi's to refuse; unit tests make the same one again and again.
        if claimed.setdefault(wanted, name) != name:
            problems.append(Problem(f"{entry.kind}/{entry.name}", f'is written by "{claimed[wanted]}" as well'))
    if problems:
        raise InvalidInput(name, problems)
