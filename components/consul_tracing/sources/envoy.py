"""The admin interface of Envoy, and what a proxy runs."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from consul_tracing.errors import CommandError
from consul_tracing.names import JsonObject

from .http import HttpClient, ServerError, parsed_url, shown_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_CONCURRENT = 16
"""Proxies that are read at a time. An address that does not respond takes seconds."""

PROGRAM = "Envoy's admin interface"

T = TypeVar("T")


class Node(TypedDict, total=False):
    """The node in a bootstrap, as Consul writes it."""

    id: str
    cluster: str
    """The name of the service."""
    metadata: JsonObject
    user_agent_build_version: JsonObject


@dataclass(frozen=True)
class RunningProxy:
    """A proxy, from its config dump."""

    address: str
    node: Node
    bootstrap: JsonObject
    """The bootstrap with which it started."""
    listeners: tuple[JsonObject, ...] = ()
    """The listeners from Consul: `dynamic_listeners`."""
    started: str = ""
    """UTC time of its start."""

    @property
    def service(self) -> str:
        """The name of the service."""
        return self.node.get("cluster", "")


def admin_client(address: str) -> HttpClient:
    """Return a client of an address such as `127.0.0.1:19000`. Raises CommandError for an invalid one.

    Ref: https://www.envoyproxy.io/docs/envoy/latest/operations/admin
    """
    try:
        url = parsed_url(address if "://" in address else f"http://{address}")
    except CommandError:
        raise CommandError("an admin interface must have the form HOST:PORT") from None
    return HttpClient(url=url, program=PROGRAM, address=shown_url(url).removeprefix("http://").rstrip("/"))


def read_each(admins: Sequence[HttpClient], read: Callable[[HttpClient], T]) -> dict[str, T | ServerError]:
    """Return what a function reads from each admin interface, or the error, by its address."""

    def attempt(admin: HttpClient) -> T | ServerError:
        try:
            return read(admin)
        except ServerError as error:
            return error

    with ThreadPoolExecutor(MAX_CONCURRENT) as pool:
        return dict(zip([one.address for one in admins], pool.map(attempt, admins), strict=True))


def read_proxy(admin: HttpClient) -> RunningProxy:
    """Return what a proxy runs. Raises ServerError."""
    dump = config_dump(admin)
    with admin.expected_shape():
        start = _section(dump["configs"], "BootstrapConfigDump")
        bootstrap: JsonObject = start.get("bootstrap", {})
        return RunningProxy(
            admin.address,
            TypeAdapter(Node).validate_python(bootstrap.get("node", {})),
            bootstrap,
            tuple(map(dict, _section(dump["configs"], "ListenersConfigDump").get("dynamic_listeners", []))),
            re.sub(r"\.\d+", "", str(start.get("last_updated", ""))),
        )


def config_dump(admin: HttpClient) -> JsonObject:
    """Return the configuration of a proxy: its bootstrap and the resources from Consul. Raises ServerError."""
    return admin.get("/config_dump", dict[str, list[JsonObject]]) or {}


def envoy_version(admin: HttpClient) -> str:
    """Return the version of a proxy. Its text is `<commit>/1.36.4/Clean/RELEASE/BoringSSL`. Raises ServerError."""
    return _server_info(admin, lambda info: str(info["version"].split("/")[1]))


def node_id(admin: HttpClient) -> str:
    """Return the id of a proxy, which is that of its registration. Raises ServerError."""
    return _server_info(admin, lambda info: str(info["node"]["id"]))


def node_and_service(admin: HttpClient) -> tuple[str, str]:
    """Return the id of a proxy and the name of its service. Raises ServerError."""
    return _server_info(admin, lambda info: (str(info["node"]["id"]), str(info["node"]["cluster"])))


def _server_info(admin: HttpClient, value: Callable[[JsonObject], T]) -> T:
    info = admin.get("/server_info", JsonObject) or {}
    with admin.expected_shape():
        return value(info)


def _section(configs: list[JsonObject], name: str) -> JsonObject:
    return next((config for config in configs if str(config.get("@type", "")).endswith(f".{name}")), {})


def counters(admin: HttpClient, pattern: str) -> dict[str, int]:
    """Return the counters and gauges whose names match a regular expression. Raises ServerError."""
    found = admin.get("/stats", dict[str, list[JsonObject]], format="json", filter=pattern) or {}
    with admin.expected_shape():
        return {str(stat["name"]): int(stat["value"]) for stat in found.get("stats", []) if "value" in stat}


def clock_offset(admin: HttpClient) -> float:
    """Return the seconds by which the clock of a proxy is ahead of this one, with an error of about a second.

    It is 0 if the response has no date. Raises ServerError.
    """
    sent = time.time()
    date = admin.response("/ready").headers.get("date", "")
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - (sent + time.time()) / 2
    except ValueError:
        return 0
