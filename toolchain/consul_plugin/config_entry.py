"""The resource `ConfigEntry` and the look-up `getConfigEntry`, on plain data: what each step of Pulumi does to Consul.

Create and update are the same unconditional PUT, and delete asks nobody, as in the official plugin. The component in
front of it is there to protect people from that.
"""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any, TypeAlias

from .consul_api import ConsulApi, ConsulRefused, ConsulUnreachable
from .entry_address import EntryAddress
from .normal_form import UnreadableEntry, entry_body, entry_meaning, entry_shape, normal_config_json

Properties: TypeAlias = Mapping[str, Any]

ADDRESS_PROPERTIES = ("kind", "name", "namespace", "partition")
"""A change of one of these makes it another entry."""

ALL_PROPERTIES = ("configJson", *ADDRESS_PROPERTIES)
DEFAULTED = "__defaults"
"""The input that lists which others Pulumi's bridge has filled in by itself; the official plugin keeps it in state."""

AUTONAME_HEX_DIGITS = 7

NOT_FOUND_AFTER_WRITE = """failed to read config entry after setting it.
This may happen when some attributes have an unexpected value.
Read the documentation at https://www.consul.io/docs/agent/config-entries/{kind}.html
to see what values are expected"""


class EntryFailure(Exception):
    """A step did not succeed; the text is the official plugin's."""


@dataclass(frozen=True)
class Unfit:
    """An input that cannot be used, and why."""

    property: str
    reason: str


class Change(Enum):
    """What happens to a property."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class EntryDiff:
    """The difference between an entry in state and an entry in a program."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    replaced_by: tuple[str, ...] = ()
    """The changed properties for which there must be another entry."""
    same_name: bool = False
    """The new entry would take the old one's name, so the old one has to go first."""


@dataclass(frozen=True)
class LiveEntry:
    """An entry as Consul has it, in Pulumi's terms."""

    resource_id: str
    state: Properties
    inputs: Properties


def checked_inputs(
    program: Properties, in_state: Properties, logical_name: str, seed: bytes
) -> tuple[Properties, list[Unfit]]:
    """Return the inputs with a name made up where the program gives none, and what is wrong with them."""
    given = {key: value for key, value in program.items() if value is not None and key != DEFAULTED}
    failures = [
        Unfit(key, f"unknown property; a ConfigEntry has {', '.join(ALL_PROPERTIES)}")
        for key in given
        if key not in ALL_PROPERTIES
    ]
    failures += [
        Unfit(key, f"{key} must be text") for key in ALL_PROPERTIES if key in given and not isinstance(given[key], str)
    ]
    if "kind" not in given:
        failures.append(Unfit("kind", "Missing required property 'kind'"))
    if "name" in given:
        return {**given, DEFAULTED: []}, failures
    return {**given, "name": autoname(in_state, logical_name, seed), DEFAULTED: ["name"]}, failures


def autoname(in_state: Properties, logical_name: str, seed: bytes) -> str:
    """Keep the name that was made up before, or make one up, as Pulumi's bridge does."""
    if "name" in (in_state.get(DEFAULTED) or ()) and in_state.get("name"):
        return str(in_state["name"])
    random_part = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex()
    return f"{logical_name}-{random_part[:AUTONAME_HEX_DIGITS]}"


def entry_diff(state: Properties, program: Properties, ignored: Collection[str] = ()) -> EntryDiff:
    """Compare an entry in state with the one that the program asks for."""
    changes = {
        key: change
        for key in ALL_PROPERTIES
        if key not in ignored and (change := property_change(state, program, key)) is not None
    }
    return EntryDiff(
        changes=changes,
        replaced_by=tuple(key for key in ADDRESS_PROPERTIES if key in changes),
        same_name="name" not in changes and "name" not in (program.get(DEFAULTED) or ()),
    )


def property_change(state: Properties, program: Properties, key: str) -> Change | None:
    """Return what happens to one property; nothing and empty are the same."""
    old, new = state.get(key) or "", program.get(key) or ""
    if old == new or (key == "configJson" and same_meaning(str(program.get("kind")), old, new)):
        return None
    if not old:
        return Change.ADD
    return Change.UPDATE if new else Change.DELETE


def same_meaning(kind: str, old: str, new: str) -> bool:
    """Tell whether two `config_json` say the same; what cannot be read says nothing and differs."""
    try:
        return entry_meaning(kind, old) == entry_meaning(kind, new)
    except UnreadableEntry:
        return False


def planned_state(program: Properties) -> Properties:
    """Return what a preview shows as the state to come."""
    return {key: program[key] for key in ALL_PROPERTIES if key in program}


class ConfigEntries:
    """Config entries in one Consul."""

    def __init__(self, consul: ConsulApi) -> None:
        """Ask nothing of Consul yet."""
        self.consul = consul

    def write(self, program: Properties) -> LiveEntry:
        """Put the entry over whatever is there, and return it as Consul has it afterwards."""
        address = EntryAddress.of(program)
        try:
            meaning = entry_meaning(address.kind, str(program.get("configJson") or ""))
        except UnreadableEntry as unreadable:
            raise EntryFailure(str(unreadable)) from None
        try:
            self.consul.put_entry(address, {**identity(address), **entry_body(address.kind, meaning)})
        except (ConsulRefused, ConsulUnreachable) as problem:
            raise EntryFailure(f"failed to set '{address.name}' config entry: {problem}") from None
        return self._written(address, program)

    def _written(self, address: EntryAddress, program: Properties) -> LiveEntry:
        """Read an entry that was just written."""
        try:
            return live_entry(address, self.consul.entry(address), program)
        except ConsulRefused as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                raise EntryFailure(NOT_FOUND_AFTER_WRITE.format(kind=address.kind)) from None
            raise EntryFailure(f"failed to read config entry: {refusal}") from None
        except ConsulUnreachable as problem:
            raise EntryFailure(f"failed to read config entry: {problem}") from None

    def read(self, resource_id: str, state: Properties, inputs: Properties) -> LiveEntry | None:
        """Return the entry as it is now; None where there is none. Without a state, the id is an import id."""
        try:
            address = EntryAddress.of(state) if state else EntryAddress.from_import_id(resource_id)
            entry_shape(address.kind)
            return live_entry(address, self.consul.entry(address), inputs)
        except ConsulRefused as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return None
            raise EntryFailure(f"failed to fetch '{address.name}' config entry: {refusal}") from None
        except ConsulUnreachable as problem:
            raise EntryFailure(f"failed to fetch '{address.name}' config entry: {problem}") from None
        except ValueError as unusable:
            raise EntryFailure(str(unusable)) from None

    def delete(self, state: Properties) -> None:
        """Delete the entry, whoever has written to it since."""
        address = EntryAddress.of(state)
        try:
            self.consul.delete_entry(address)
        except (ConsulRefused, ConsulUnreachable) as problem:
            raise EntryFailure(f"failed to delete '{address.name}' config entry: {problem}") from None

    def look_up(self, arguments: Properties) -> Properties:
        """Return an entry that may be anyone's; a missing one is a failure."""
        address = EntryAddress.of(arguments)
        try:
            entry_shape(address.kind)
            config_json = normal_config_json(address.kind, self.consul.entry(address))
        except (ConsulRefused, ConsulUnreachable, UnreadableEntry) as problem:
            raise EntryFailure(f"failed to read config entry {address.kind}/{address.name}: {problem}") from None
        return {**address.properties(), "id": f"{address.kind}/{address.name}", "configJson": config_json}


def identity(address: EntryAddress) -> Mapping[str, str]:
    """Return the part of an entry's body that says which one it is."""
    named = {"Kind": address.kind, "Name": address.name, "Namespace": address.namespace, "Partition": address.partition}
    return {key: value for key, value in named.items() if value}


def live_entry(address: EntryAddress, found: Mapping[str, Any], inputs: Properties) -> LiveEntry:
    """Put what Consul sent into Pulumi's terms.

    The inputs follow what is live, so that a refresh lets the next update put a drifted entry right; with none, at an
    import, they are all that is known.
    """
    state = {**address.properties(), "configJson": normal_config_json(address.kind, found)}
    kept = {key: state.get(key, value) for key, value in inputs.items()} if inputs else {**state, DEFAULTED: []}
    return LiveEntry(address.resource_id, state={**state, "id": address.resource_id}, inputs=kept)
