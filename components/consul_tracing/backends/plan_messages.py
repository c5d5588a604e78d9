"""Messages about plans and conflicts: which entries are adopted, overwritten, released, drifted or rejected.

Entries with the same message are reported together, and each advice once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from consul_tracing.entries.bodies import EMPTY_BOOTSTRAP
from consul_tracing.entries.field_paths import path_label
from consul_tracing.entries.ownership import is_tracing
from consul_tracing.errors import fix, message

from .value_changes import MAX_REPORTED, change_lines, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from consul_tracing.entries.entry import Entry
    from consul_tracing.entries.ownership import Change, Conflict, Existing, Plan
    from consul_tracing.entries.registrations import OwnKeys
    from consul_tracing.names import FieldPath

    from .live import Planned

Severity = Literal["info", "warn"]

MAX_TITLES = 3
"""Entries that the first line of a message names; the rest is counted."""


@dataclass(frozen=True)
class Wording:
    """How messages name the entries of a backend, and the commands of their fixes."""

    server: str
    """The program that holds the entries."""

    title: Callable[[Entry], str]
    """Returns the name of an entry."""

    release_command: Callable[[Entry, Sequence[str]], str]
    """Returns the command that removes these keys of ownership metadata from the entry."""

    overwrite_steps: Callable[[Entry, str, Sequence[str]], list[str]]
    """Returns the steps with which this stack overwrites entries that it does not manage.

    They have the name of the first entry's resource, and the step that repeats a command for the other entries.
    """

    dropped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The fields that are neither read nor written, by the kind of the entry."""


Conflicts = Mapping[str, tuple["Entry", "Conflict"]]
"""Conflicts by the name of the resource that declares the entry."""


def conflicts_text(conflicts: Conflicts, wording: Wording) -> str:
    """Return why entries must not be written, and the fixes."""
    groups: dict[tuple[str, str], dict[str, tuple[Entry, Conflict]]] = {}
    for name, (entry, conflict) in conflicts.items():
        groups.setdefault((_conflict_code(conflict), conflict.stack), {})[name] = entry, conflict
    return "\n".join(message(code, *_conflict_lines(code, group, wording)) for (code, _), group in groups.items())


def _conflict_code(conflict: Conflict) -> str:
    if conflict.owner == "consul-k8s":
        return "CT203"
    if conflict.unreadable:
        return "CT204"
    return "CT202" if conflict.owner == "another stack" else "CT201"


def _conflict_lines(code: str, conflicts: Conflicts, wording: Wording) -> Iterator[str]:
    titles = [wording.title(entry) for entry, _ in conflicts.values()]
    count = len(titles)
    subject = f"{_titles(titles)} {'is' if count == 1 else 'are'}"
    name, (entry, first) = next(iter(conflicts.items()))
    stack = first.stack
    details = _details(dict(zip(titles, [_conflict_details(one) for _, one in conflicts.values()], strict=True)))
    others = count - 1
    repeated = [f"the same for the {'other entry' if others == 1 else f'{others} other entries'}"] if others else []
    overwrite = wording.overwrite_steps(entry, name, repeated)
    match code:
        case "CT203":
            yield f"{subject} managed by consul-k8s, which reverts other writes"
            yield from fix("To write on Kubernetes, where consul-k8s reads the entry:", "set target: kubernetes")
        case "CT204":
            yield f"{subject} not valid: the static clusters cannot be parsed: {first.unreadable}"
            yield from fix(
                "No proxy starts with this value of envoy_extra_static_clusters_json. To replace the whole entry:",
                "set existing: overwrite",
            )
        case "CT201":
            yield f'{subject} {"an unmanaged entry" if count == 1 else "unmanaged"}, and existing is "refuse"'
            yield from details
            yield from _dropped_lines("both remove from", [one for one, _ in conflicts.values()], wording)
            yield from fix("To preserve the fields of other owners and write the declared ones:", "set existing: adopt")
            purpose = "To manage whole entries in this stack, which removes fields that it does not declare:"
            yield from fix(purpose, *overwrite)
        case _:
            yield f"{subject} managed by another stack ({stack})"
            yield from details
            yield from fix(
                "Two stacks that write one entry revert each other's changes. To keep one writer:",
                "remove the entry from one of the two programs",
            )
            if entry.kind == "proxy-defaults":
                yield from fix(
                    f"To declare only services in this stack, with the tracing of {stack}:",
                    "use ServiceProtocols instead of MeshTracing",
                )
            yield from fix(
                f"If {stack} no longer exists:",
                wording.release_command(entry, first.metadata),
                *repeated,
                "set existing: adopt",
            )
            yield from fix(f"If {stack} is the former name of this stack:", f"set renamed_from: {stack}")
            purpose = (
                f"To take the entry from {stack}, whose next pulumi up is then rejected, and remove its other fields:"
            )
            yield from fix(purpose, *overwrite)


def _conflict_details(conflict: Conflict) -> tuple[str, ...]:
    plan = conflict.adopting
    if conflict.owner == "unmanaged":
        return (
            *_names("adopt preserves, overwrite removes", plan.preserved),
            *_changes("both replace", plan.replaced),
            *_names("both remove", plan.removed),
        )
    return (
        *_names("overwrite removes", [*plan.preserved, *plan.removed]),
        *_changes("overwrite replaces", plan.replaced),
    )


def plan_messages(
    planned: Sequence[Planned[Any]], wording: Wording, existing: Existing
) -> Iterator[tuple[Severity, str]]:
    """Yield the messages about fields of other owners."""
    groups: dict[tuple[str, str], list[Planned[Any]]] = {}
    for one in planned:
        if described := _event(one, existing):
            groups.setdefault(described, []).append(one)
    for (code, event), group in groups.items():
        titles, plans = [wording.title(one.entry) for one in group], [one.plan for one in group]
        # The consequences of taking entries from another stack.
        stack = plans[0].stack if plans[0].owner == "another stack" else ""
        deletes = any(one.when_deleted == "deleted" for one in group)
        deletion = " pulumi destroy of this stack deletes these entries." if deletes else ""
        lines = [
            f"{_titles(titles)}: {event}",
            *_details(dict(zip(titles, map(_plan_details, plans), strict=True))),
            *(_dropped_lines("removed from", [one.entry for one in group], wording) if code == "CT501" else ()),
            *([f"pulumi up of {stack} is rejected from now on.{deletion}"] if stack else []),
        ]
        lossy = any(plan.replaced or plan.removed for plan in plans)
        yield "warn" if lossy or stack else "info", message(code, *lines)
    released = [one for one in planned if one.plan.released]
    kept = [one for one in planned if not one.plan.released and one.when_deleted == "kept"]
    if released:
        text = f"released. The ownership metadata is removed, another stack can adopt {_pronoun(released)}, and"
        yield "info", message("CT504", f"{_retention_text(released, text, wording)}.")
    if kept:
        text = _retention_text(kept, "fields of other owners are preserved, so", wording)
        if any(is_tracing(part) for one in kept for part in one.entry.fields):
            text = f"{text}, including tracing. To remove tracing first: set enabled: false, then pulumi up"
        yield "info", message("CT505", f"{text}.")
    for one in planned:
        if text := _deletion_text(one, wording):
            yield "info", message("CT536", text)


def _deletion_text(planned: Planned[Any], wording: Wording) -> str:
    """Return which declared fields of a mesh without tracing `pulumi destroy` deletes, empty if there are none.

    `enabled: false` is the step before the stack is removed.
    """
    fields = planned.entry.fields
    if planned.entry.kind != "proxy-defaults" or planned.when_deleted == "kept" or any(map(is_tracing, fields)):
        return ""
    names = listed([path_label(part) for part in fields])
    kept = f"To keep {_pronoun(fields)} in {wording.server}: set release: true, then pulumi up."
    return f"{wording.title(planned.entry)}: pulumi destroy also deletes {names}. {kept}" if names else ""


def _retention_text(planned: Sequence[Planned[Any]], reason: str, wording: Wording) -> str:
    titles = _titles([wording.title(one.entry) for one in planned])
    return f"{titles}: {reason} pulumi destroy leaves {_pronoun(planned)} in {wording.server}"


def drift_text(changes: Mapping[str, tuple[Change, ...] | None]) -> str:
    """Return the warning that entries changed outside of Pulumi. Keys are titles, None is a deleted entry."""
    details = {
        title: ("deleted",) if change is None else tuple(change_lines(change))
        for title, change in sorted(changes.items())
    }
    return message(
        "CT506",
        f"{_titles(list(changes))}: changed outside of Pulumi since the last up",
        *_details(details),
        "pulumi up --refresh restores the declared values.",
    )


def restart_text(old: str, new: str, *, is_enabled: bool, own_keys: OwnKeys) -> str:
    """Return the message that proxies must read a new bootstrap. Without tracing, CT510 reports what they keep.

    `own_keys`: where proxies have keys of their own.
    """
    shown = " → ".join("none" if one == EMPTY_BOOTSTRAP else one for one in (old, new))
    kept = ", and a running proxy keeps the bootstrap of its start, with its tracer, sampler and collector"
    reason = f"the bootstrap changes (bootstrap_hash {shown}){kept if is_enabled else ''}"
    steps = {
        "annotations": "give pods the new output proxy_annotations",
        "registrations": "render registrations with keys of their own again",
    }
    first = [f"Before the restart, {steps[own_keys]}. Such a proxy keeps its keys."] if own_keys else []
    return message("CT507", f"restart every proxy after this change: {reason}", *first)


def sampler_text() -> str:
    """Return the warning that running proxies sample all requests until they restart."""
    return message(
        "CT532",
        "sampling.random moves from the listener to the sampler of the tracer: until a running proxy restarts, it "
        "samples 100 % of the requests without trace context",
        *fix(
            "To keep this time short:",
            "restart the proxies that start traces first: gateways, and sidecars of clients",
            "restart all others",
        ),
    )


def _event(planned: Planned[Any], existing: Existing) -> tuple[str, str] | None:
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
    return (
        *_changes("replaced", plan.replaced),
        *_names("removed", plan.removed),
        *_names("preserved", plan.preserved),
    )


def _dropped_lines(label: str, entries: Iterable[Entry], wording: Wording) -> Iterator[str]:
    """Yield the fields that are removed from the entries that have them: the component cannot see them."""
    for kind in sorted({entry.kind for entry in entries} & wording.dropped.keys()):
        yield (
            f"{label} {kind}, if set: {listed([*wording.dropped[kind]])}, which Pulumi's Consul provider 3.15 does not "
            "support. consul-tracing lint --consul reports such entries (CT360)"
        )


def _changes(label: str, changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Return one line for one change. Several have a line each: an operator must read them."""
    match change_lines(changes):
        case []:
            return ()
        case [one]:
            return (f"{label}: {one}",)
        case lines:
            return (f"{label}:", *(f"  {one}" for one in lines))


def _names(label: str, parts: Collection[FieldPath]) -> tuple[str, ...]:
    return (f"{label}: {listed([path_label(part) for part in parts])}",) if parts else ()


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


def _pronoun(items: Collection[object]) -> str:
    return "it" if len(items) == 1 else "them"
