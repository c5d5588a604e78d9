"""Detection of two resources of one program that write the same entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime.settings import get_monitor, get_root_resource

from consul_tracing.errors import InvalidInputError, Problem

from .identity import identity_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consul_tracing.entries.entry import Entry, Identity

    from .base import Backend

Claim = tuple[object, object]
"""The mesh (server, provider) and the identity of an entry."""

_claims: dict[object, dict[Claim, str]] = {}
"""The component of each entry, by engine: one Python process may run several programs."""

_declared: dict[object, dict[str, Identity]] = {}
"""The entries that the components of a program declare, by the URN of their resource and by engine."""


def declared_in_program() -> dict[str, Identity]:
    """Return the entries that the components of the program have declared, by the URN of their resource."""
    return _declared.setdefault(engine(), {})


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


def reject_later_resources(entries: Iterable[Entry], backend: Backend[Any]) -> None:
    """Reject resources that the program declares after the component and that write one of the entries.

    Only a component in the process of the program can: a plugin does not see the resources of the program.
    """
    titles, name = {entry.identity: entry.title for entry in entries}, backend.urn.rpartition("::")[2]

    def check(args: pulumi.ResourceTransformationArgs) -> None:
        title = titles.get(identity_of(args.type_, args.props) or ("", "", "", ""))
        parent = args.opts.parent
        provider = args.opts.provider or (parent.get_provider(args.type_) if parent else None)
        if title and parent is not backend.component and provider is backend.component.get_provider(args.type_):
            problem = Problem(title, f'conflicts with the resource "{args.name}", which writes the same entry')
            raise InvalidInputError(name, [problem])

    if get_root_resource() is not None:
        pulumi.runtime.register_stack_transformation(check)


def engine() -> object:
    """Return the address of the engine: in a component plugin, each component has its own connection to one engine."""
    monitor = get_monitor()
    try:
        return monitor.RegisterResource._channel.target()  # type: ignore[union-attr]  # noqa: SLF001 - no public name
    except AttributeError:  # mocks
        return monitor
