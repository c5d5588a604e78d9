"""The resource `ConfigEntry` and the look-ups `getConfigEntry` and `getServices`, on plain data.

As in the official plugin, create and update are an unconditional PUT and delete is an unconditional DELETE.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias

from . import PluginError
from .consul_api import ConsulApi, ConsulError
from .entry_address import ADDRESS_PROPERTIES, EntryAddress
from .normal_form import decoded_config, encoded_config, normal_config_json, same_config

Properties: TypeAlias = Mapping[str, Any]

ALL_PROPERTIES = ("configJson", *ADDRESS_PROPERTIES)


@dataclass(frozen=True)
class LiveEntry:
    """A live entry as Pulumi properties."""

    resource_id: str
    state: Properties
    inputs: Properties


def program_inputs(program: Properties) -> Properties:
    """Return the inputs that the program sets. Raises PluginError without a name: none is generated."""
    if not program.get("name"):
        raise PluginError("name: is required, this stand-in does not generate names")
    return {key: program[key] for key in ALL_PROPERTIES if program.get(key) is not None}


def changes(state: Properties, program: Properties, ignored: Collection[str] = ()) -> Mapping[str, str]:
    """Return the changed properties, each with Pulumi's name of the change, such as `UPDATE_REPLACE`."""
    found: dict[str, str] = {}
    for key in (key for key in ALL_PROPERTIES if key not in ignored):
        old, new = state.get(key) or "", program.get(key) or ""
        if old == new or (key == "configJson" and same_config(str(program.get("kind")), old, new)):
            continue
        change = "ADD" if not old else "UPDATE" if new else "DELETE"
        found[key] = f"{change}_REPLACE" if key in ADDRESS_PROPERTIES else change
    return found


class ConfigEntries:
    """Config entries in one Consul."""

    def __init__(self, consul: ConsulApi) -> None:
        """Send no request yet."""
        self._consul = consul

    def write(self, program: Properties) -> LiveEntry:
        """Overwrite the entry and return the live entry."""
        address = EntryAddress.of(program)
        body = encoded_config(address.kind, decoded_config(address.kind, str(program.get("configJson") or "")))
        identity = {key.capitalize(): value for key, value in address.properties().items()}
        with error_prefix(f"failed to set '{address.name}' config entry"):
            self._consul.put_entry(address, {**body, **identity})
        with error_prefix("failed to read config entry"):
            return live_entry(address, self._consul.entry(address), program)

    def read(self, resource_id: str, state: Properties, inputs: Properties) -> LiveEntry | None:
        """Return the live entry, None if there is none. Without state, the id is an import id."""
        address = EntryAddress.of(state) if state else EntryAddress.from_import_id(resource_id)
        try:
            with error_prefix(f"failed to fetch '{address.name}' config entry"):
                return live_entry(address, self._consul.entry(address), inputs)
        except ConsulError as problem:
            if problem.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def delete(self, state: Properties) -> None:
        """Delete the entry unconditionally."""
        address = EntryAddress.of(state)
        with error_prefix(f"failed to delete '{address.name}' config entry"):
            self._consul.delete_entry(address)

    def look_up(self, arguments: Properties) -> Properties:
        """Serve `getConfigEntry`. Raises PluginError for a missing entry."""
        address = EntryAddress.of(arguments)
        with error_prefix(f"failed to read config entry {address.kind}/{address.name}"):
            config_json = normal_config_json(address.kind, self._consul.entry(address))
        return {**address.properties(), "id": f"{address.kind}/{address.name}", "configJson": config_json}

    def services(self, arguments: Properties) -> Properties:
        """Serve `getServices`, limited to names."""
        options = (arguments.get("queryOptions") or [{}])[0]
        unsupported = sorted(key for key in options if key not in ("namespace", "partition"))
        if unsupported:
            raise PluginError(f"queryOptions: {', '.join(unsupported)} is not supported by this stand-in")
        return {"id": "catalog-services", "names": self._consul.service_names(EntryAddress.of(options))}


@contextmanager
def error_prefix(step: str) -> Iterator[None]:
    """Prefix an error of Consul with the step, as the official plugin does."""
    try:
        yield
    except ConsulError as problem:
        raise ConsulError(f"{step}: {problem}", problem.status) from None


def live_entry(address: EntryAddress, found: Mapping[str, Any], inputs: Properties) -> LiveEntry:
    """Convert a live entry.

    Inputs follow the live entry, so that an update after a refresh corrects drift.
    """
    state = {**address.properties(), "configJson": normal_config_json(address.kind, found)}
    return LiveEntry(
        address.resource_id,
        state={**state, "id": address.resource_id},
        inputs={key: state.get(key, value) for key, value in inputs.items()} if inputs else state,
    )
