"""Detection of two resources of one program that write the same entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pulumi
from pulumi.runtime.settings import get_monitor, get_root_resource

from consul_tracing.errors import Problem
from consul_tracing.run_errors import InvalidInputError

from .identity import identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consul_tracing.entries.entry import Entry, Identity

    from .base import Backend, Planned

Claim = tuple[object, object]
"""The mesh (server, provider) and the identity of an entry."""

_claims: dict[object, dict[Claim, str]] = {}
"""The component of each entry, by engine: one Python process may run several programs."""

_declared: dict[object, dict[str, Identity]] = {}
"""The entries that the components of a program declare, by the URN of their resource and by engine."""

_resources: dict[object, list[pulumi.ResourceTransformationArgs]] = {}
"""The resources of a program that write entries and were declared after the import of this module, by engine."""

_components: WeakSet[pulumi.Resource] = WeakSet()
"""The components with entries, whose children `_claims` contains."""


def declared_in_program() -> dict[str, Identity]:
    """Return the entries that the components of the program have declared, by the URN of their resource."""
    return _declared.setdefault(engine(), {})


def claim_entries(planned: Sequence[Planned[Any]], backend: Backend[Any]) -> None:
    """Record that the component writes the entries, as soon as it has passed all other checks.

    Raises InvalidInputError if another component of the program writes one of them to the same mesh.
    """
    entries, claimed = [one.entry for one in planned], _claims.setdefault(engine(), {})
    where, name = (backend.server, backend.scope()), backend.urn.rpartition("::")[2]
    others = {entry.title: claimed.get((where, entry.identity), name) for entry in entries}
    if problems := [
        Problem(title, f'conflicts with "{other}", which writes the same entry')
        for title, other in others.items()
        if other != name  # Pulumi itself rejects two components with the same name
    ]:
        raise InvalidInputError(name, problems)
    _components.add(backend.component)
    claimed.update({(where, entry.identity): name for entry in entries})
    declared_in_program().update({one.urn: one.entry.identity for one in planned})
    # Only in the process of the program: a plugin does not see the resources of the program.
    if get_root_resource() is not None:
        pulumi.runtime.register_stack_transformation(_check_of(entries, backend))


def reject_earlier_resources(entries: Iterable[Entry], backend: Backend[Any]) -> None:
    """Raise InvalidInputError if the program has declared a resource that writes one of the entries.

    The state does not contain a resource whose first write is still running.
    """
    check = _check_of(entries, backend)
    for args in _resources.get(engine(), ()):
        check(args)


def _check_of(entries: Iterable[Entry], backend: Backend[Any]) -> Callable[[pulumi.ResourceTransformationArgs], None]:
    """Return a function that rejects a resource outside of the component that writes one of the entries."""
    titles, name = {entry.identity: entry.title for entry in entries}, backend.urn.rpartition("::")[2]

    def check(args: pulumi.ResourceTransformationArgs) -> None:
        title = titles.get(identity_of(args.type_, args.props) or ("", "", "", ""))
        parent = args.opts.parent
        provider = args.opts.provider or (parent.get_provider(args.type_) if parent else None)
        is_own = parent and _key(parent) == _key(backend.component)
        if title and not is_own and provider is backend.component.get_provider(args.type_):
            problem = Problem(title, f'conflicts with the resource "{args.name}", which writes the same entry')
            raise InvalidInputError(name, [problem])

    return check


def _key(resource: pulumi.Resource) -> tuple[str, str]:
    """Return the type and the name. Unit tests declare a component of a program once per test."""
    return resource.pulumi_resource_type, resource.pulumi_resource_name


def _record(args: pulumi.ResourceTransformationArgs) -> None:
    if identity_of(args.type_, args.props) and args.opts.parent not in _components:
        _resources.setdefault(engine(), []).append(args)


def engine() -> object:
    """Return the address of the engine: in a component plugin, each component has its own connection to one engine."""
    monitor = get_monitor()
    try:
        return monitor.RegisterResource._channel.target()  # type: ignore[union-attr]  # noqa: SLF001 - no public name
    except AttributeError:  # mocks
        return monitor


# A program imports the package before it declares resources.
if get_root_resource() is not None:
    pulumi.runtime.register_stack_transformation(_record)
