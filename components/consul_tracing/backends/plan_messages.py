"""Messages about plans and conflicts: which entries are adopted, overwritten, released, drifted or rejected.

Entries with the same message are reported together, and each advice once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from consul_tracing.entries.field_paths import path_label
from consul_tracing.errors import message, numbered

from .value_changes import MAX_REPORTED, changes_text, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from consul_tracing.entries.entry import Entry
    from consul_tracing.entries.ownership import Change, Conflict, Plan
    from consul_tracing.names import FieldPath

    from .base import Backend, LiveT, Planned

Severity = Literal["info", "warn"]

MAX_TITLES = 3
"""Entries that the first line of a message names; the rest is counted."""


def conflicts_text(conflicts: Mapping[str, Conflict], entries: Mapping[str, Entry], backend: Backend[Any]) -> str:
    """Return why entries must not be written, and the fixes. Keys are resource names."""
    groups: dict[tuple[str, str], dict[str, Conflict]] = {}
    for name, conflict in conflicts.items():
        groups.setdefault((_conflict_code(conflict), conflict.stack), {})[name] = conflict
    return "\n".join(
        message(code, *_conflict_lines(code, group, entries, backend)) for (code, _), group in groups.items()
    )


def _conflict_code(conflict: Conflict) -> str:
    if conflict.owner == "consul-k8s":
        return "CT203"
    if conflict.unreadable:
        return "CT204"
    return "CT202" if conflict.owner == "another stack" else "CT201"


def _conflict_lines(
    code: str, conflicts: Mapping[str, Conflict], entries: Mapping[str, Entry], backend: Backend[Any]
) -> Iterator[str]:
    titles = {name: backend.title(entries[name]) for name in conflicts}
    subject = f"{_titles(list(titles.values()))} {'is' if len(titles) == 1 else 'are'}"
    name, first = next(iter(conflicts.items()))
    match code:
        case "CT203":
            yield f"{subject} managed by consul-k8s, which reverts other writes"
            yield "To write on Kubernetes, where consul-k8s reads the entry:"
            yield from numbered(["set target: kubernetes"])
            return
        case "CT204":
            yield f"{subject} not valid: the static clusters cannot be parsed: {first.unreadable}"
            yield "No proxy starts with this value of envoy_extra_static_clusters_json. To replace the whole entry:"
            yield from numbered(["set existing: overwrite"])
            return
        case "CT202":
            yield f"{subject} managed by another stack ({first.stack})"
        case _:
            yield f'{subject} {"an unmanaged entry" if len(titles) == 1 else "unmanaged"}, and existing is "refuse"'
    yield from _details({titles[one]: _conflict_details(conflict) for one, conflict in conflicts.items()})
    repeated = _repeated(len(titles))
    if code == "CT201":
        yield "To preserve the fields of other owners and write the declared ones:"
        yield from numbered(["set existing: adopt"])
        yield "To manage whole entries in this stack, which removes fields that it does not declare:"
        yield from numbered(backend.overwrite_steps(entries[name], name, repeated))
    else:
        yield from _take_over_steps(first, entries[name], name, repeated, backend)


def _take_over_steps(
    conflict: Conflict, entry: Entry, name: str, repeated: list[str], backend: Backend[Any]
) -> Iterator[str]:
    stack = conflict.stack
    yield "Two stacks that write one entry revert each other's changes. To keep one writer:"
    yield from numbered(["remove the entry from one of the two programs"])
    if entry.kind == "proxy-defaults":
        yield f"To declare only services in this stack, with the tracing of {stack}:"
        yield from numbered(["use ServiceProtocols instead of MeshTracing"])
    yield f"If {stack} no longer exists:"
    yield from numbered([backend.release_command(entry, conflict.metadata), *repeated, "set existing: adopt"])
    yield f"If {stack} is the former name of this stack:"
    yield from numbered([f"set renamed_from: {stack}"])
    yield f"To take the entry from {stack}, whose next pulumi up is then rejected, and remove its other fields:"
    yield from numbered(backend.overwrite_steps(entry, name, repeated))


def _repeated(count: int) -> list[str]:
    """Return the step that repeats a command for all entries but the first."""
    match count:
        case 1:
            return []
        case 2:
            return ["the same for the other entry"]
        case _:
            return [f"the same for the {count - 1} other entries"]


def _conflict_details(conflict: Conflict) -> tuple[str, ...]:
    plan = conflict.adopting
    if conflict.owner == "unmanaged":
        return _lines(
            ("adopt preserves, overwrite removes", _names(plan.preserved)),
            ("both replace", changes_text(plan.replaced)),
            ("both remove", _names(plan.removed)),
        )
    return _lines(
        ("overwrite removes", _names([*plan.preserved, *plan.removed])),
        ("overwrite replaces", changes_text(plan.replaced)),
    )


def plan_messages(
    planned: Sequence[Planned[LiveT]], backend: Backend[LiveT], *, tracing: bool
) -> Iterator[tuple[Severity, str]]:
    """Yield the messages about fields of other owners. `tracing`: whether the entries contain tracing keys."""
    groups: dict[tuple[str, str], list[Planned[LiveT]]] = {}
    for one in planned:
        if described := _event(one, backend.policy.existing):
            groups.setdefault(described, []).append(one)
    for (code, event), group in groups.items():
        plans = [one.plan for one in group]
        stack = plans[0].stack if plans[0].owner == "another stack" else ""
        lines = [
            f"{_titles([backend.title(one.entry) for one in group])}: {event}",
            *_details({backend.title(one.entry): _plan_details(one.plan) for one in group}),
            *_consequences(stack, deletes=any(backend.when_deleted(one) == "deleted" for one in group)),
        ]
        lossy = any(plan.replaced or plan.removed for plan in plans)
        yield "warn" if lossy or stack else "info", message(code, *lines)
    if released := [backend.title(one.entry) for one in planned if one.plan.released]:
        text = (
            f"{_titles(released)}: released. The ownership metadata is removed, another stack can adopt "
            f"{_pronoun(released)}, and pulumi destroy leaves {_pronoun(released)} in {backend.server}."
        )
        yield "info", message("CT504", text)
    kept = [one.entry for one in planned if not one.plan.released and backend.when_deleted(one) == "kept"]
    if kept:
        yield "info", message("CT505", _retention_text(kept, backend, tracing=tracing))


def _retention_text(entries: Sequence[Entry], backend: Backend[LiveT], *, tracing: bool) -> str:
    text = (
        f"{_titles([backend.title(entry) for entry in entries])}: fields of other owners are preserved, so pulumi "
        f"destroy leaves {_pronoun(entries)} in {backend.server}"
    )
    if tracing and any(entry.kind == "proxy-defaults" for entry in entries):
        return f"{text}, including tracing. To remove tracing first: set enabled: false, then pulumi up."
    return f"{text}."


def _consequences(stack: str, *, deletes: bool) -> list[str]:
    """Return the consequences of taking entries from another stack."""
    if not stack:
        return []
    deletion = " pulumi destroy of this stack deletes these entries." if deletes else ""
    return [f"pulumi up of {stack} is rejected from now on.{deletion}"]


def drift_text(changes: Mapping[str, tuple[Change, ...] | None]) -> str:
    """Return the warning that entries changed outside of Pulumi. Keys are titles, None is a deleted entry."""
    details = {
        title: ("deleted",) if change is None else (changes_text(change),) for title, change in sorted(changes.items())
    }
    return message(
        "CT506",
        f"{_titles(list(changes))}: changed outside of Pulumi since the last up",
        *_details(details),
        "pulumi up --refresh restores the declared values.",
    )


def restart_text(old: str, new: str) -> str:
    """Return the message that proxies must read a new bootstrap."""
    return message(
        "CT507",
        f"restart every proxy after this change: the bootstrap changes (bootstrap_hash {old} → {new}), and a running "
        "proxy keeps the bootstrap of its start, with its tracer, sampler and collector",
    )


def sampler_text() -> str:
    """Return the warning that running proxies sample all requests until they restart."""
    return message(
        "CT532",
        "sampling.random moves from the listener to the sampler of the tracer: until a running proxy restarts, it "
        "samples 100 % of the requests without trace context",
        "To keep this time short:",
        *numbered(
            ["restart the proxies that start traces first: gateways, and sidecars of clients", "restart all others"]
        ),
    )


def _event(planned: Planned[LiveT], existing: str) -> tuple[str, str] | None:
    """Return the code and the text of what happens to the entry, as far as other owners are concerned."""
    plan = planned.plan
    match plan.owner:
        case _ if planned.live.is_migrated:
            return "CT501", "migrated, and consul-k8s takes over only an entry with the same content"
        case "another stack":
            return "CT502", f"overwritten, managed until now by another stack ({plan.stack})"
        case "unmanaged" if existing == "overwrite":
            return "CT502", "overwritten, unmanaged until now"
        case "unmanaged" if not plan.released:
            return "CT501", "adopted, unmanaged until now"
        case "this stack" if plan.replaced or plan.removed:
            return "CT503", "fields of other owners are replaced or removed"
        case _:
            return None


def _plan_details(plan: Plan) -> tuple[str, ...]:
    return _lines(
        ("replaced", changes_text(plan.replaced)),
        ("removed", _names(plan.removed)),
        ("preserved", _names(plan.preserved)),
    )


def _lines(*rows: tuple[str, str]) -> tuple[str, ...]:
    return tuple(f"{label}: {text}" for label, text in rows if text)


def _names(parts: Iterable[FieldPath]) -> str:
    return listed([path_label(part) for part in parts])


def _details(rows: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the lines of each entry below its title. Entries with the same lines form one group."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for title, lines in rows.items():
        if lines:
            groups.setdefault(lines, []).append(title)
    if len(rows) == 1:
        return [line for lines in groups for line in lines]
    shown = [
        line
        for lines, titles in list(groups.items())[:MAX_REPORTED]
        for line in (listed(titles), *(f"  {one}" for one in lines))
    ]
    hidden = sum(len(titles) for titles in list(groups.values())[MAX_REPORTED:])
    return [*shown, f"and {hidden} more"] if hidden else shown


def _titles(titles: list[str]) -> str:
    return listed(titles, limit=MAX_TITLES)


def _pronoun(items: Sequence[object]) -> str:
    return "it" if len(items) == 1 else "them"
