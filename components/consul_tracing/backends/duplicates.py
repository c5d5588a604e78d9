"""Detection of two resources of one program that write the same entry."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pulumi

from consul_tracing.engine import address
from consul_tracing.errors import Problem
from consul_tracing.run_errors import InvalidInputError

from .identity import identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consul_tracing.entries.entry import Entry, Identity

    from .base import Backend
    from .live import Planned


@dataclass
class Program:
    """What a program has declared."""

    writers: dict[tuple[object, Identity], str] = field(default_factory=dict)
    """The component that writes an entry, by the provider (the mesh) and the identity of the entry."""

    entries: dict[str, Identity] = field(default_factory=dict)
    """The entries that the components declare, by the URN of their resource."""

    resources: list[pulumi.ResourceTransformationArgs] = field(default_factory=list)
    """The resources outside of components that write entries and were declared after the import of this module."""


_programs: dict[object, Program] = defaultdict(Program)
"""The programs by their engine: one Python process may run several."""

_components: WeakSet[pulumi.Resource] = WeakSet()
"""The components that write entries."""


def declared_in_program() -> dict[str, Identity]:
    """Return the entries that the components of the program have declared, by the URN of their resource."""
    return _programs[address()].entries


def claim_entries(planned: Sequence[Planned[Any]], backend: Backend[Any]) -> None:
    """Record that the component writes the entries, as soon as it has passed all other checks.

    Raises InvalidInputError if another component of the program writes one of them to the same mesh.
    """
    program, name = _programs[address()], _name(backend)
    others = [(one.entry.title, program.writers.get((backend.provider, one.entry.identity), name)) for one in planned]
    # Pulumi itself rejects two components with the same name.
    if problems := [_conflict(title, f'"{other}"') for title, other in others if other != name]:
        raise InvalidInputError(name, problems)
    _components.add(backend.component)
    program.writers.update({(backend.provider, one.entry.identity): name for one in planned})
    program.entries.update({one.urn: one.entry.identity for one in planned})
    # Only in the process of the program: a plugin does not see the resources of the program.
    if pulumi.runtime.get_root_resource() is not None:
        pulumi.runtime.register_stack_transformation(_check_of([one.entry for one in planned], backend))


def reject_earlier_resources(entries: Iterable[Entry], backend: Backend[Any]) -> None:
    """Raise InvalidInputError if the program has declared a resource that writes one of the entries.

    The state does not contain a resource whose first write is still running.
    """
    check = _check_of(entries, backend)
    for args in _programs[address()].resources:
        check(args)


def _check_of(entries: Iterable[Entry], backend: Backend[Any]) -> Callable[[pulumi.ResourceTransformationArgs], None]:
    """Return a function that rejects a resource outside of the component that writes one of the entries."""
    titles = {entry.identity: entry.title for entry in entries}

    def check(args: pulumi.ResourceTransformationArgs) -> None:
        title = titles.get(identity_of(args.type_, args.props) or ("", "", "", ""))
        parent = args.opts.parent
        provider = args.opts.provider or (parent.get_provider(args.type_) if parent else None)
        is_own = parent and _key(parent) == _key(backend.component)
        if title and not is_own and provider is backend.component.get_provider(args.type_):
            raise InvalidInputError(_name(backend), [_conflict(title, f'the resource "{args.name}"')])

    return check


def _conflict(title: str, other: str) -> Problem:
    return Problem(title, f"conflicts with {other}, which writes the same entry")


def _name(backend: Backend[Any]) -> str:
    return backend.urn.rpartition("::")[2]


def _key(resource: pulumi.Resource) -> tuple[str, str]:
    """Return the type and the name. Unit tests declare a component of a program once per test."""
    return resource.pulumi_resource_type, resource.pulumi_resource_name


def _record(args: pulumi.ResourceTransformationArgs) -> None:
    if identity_of(args.type_, args.props) and args.opts.parent not in _components:
        _programs[address()].resources.append(args)


# A program imports the package before it declares resources.
if pulumi.runtime.get_root_resource() is not None:
    pulumi.runtime.register_stack_transformation(_record)
