"""Consul's HTTP API for config entries and the catalog."""

import http.client
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from . import PluginError
from .entry_address import EntryAddress

TIMEOUT_SECONDS = 30.0
METHOD_NAMES_OF_GO = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}

DEFAULT_ADDRESS = "localhost:8500"
ADDRESS_VARIABLES = ("CONSUL_ADDRESS", "CONSUL_HTTP_ADDR")
TOKEN_VARIABLES = ("CONSUL_TOKEN", "CONSUL_HTTP_TOKEN")
UNSUPPORTED_VARIABLES = (
    "CONSUL_CACERT",
    "CONSUL_CAPATH",
    "CONSUL_CA_FILE",
    "CONSUL_CERT_FILE",
    "CONSUL_CLIENT_CERT",
    "CONSUL_HTTP_AUTH",
    "CONSUL_HTTP_SCHEME",
    "CONSUL_HTTP_SSL",
    "CONSUL_HTTP_TOKEN_FILE",
    "CONSUL_NAMESPACE",
    "CONSUL_PARTITION",
    "CONSUL_SCHEME",
)
"""Variables of the official plugin. Ignoring one could write to another Consul or namespace."""
NOT_SETTINGS = ("version", "pluginDownloadURL")
"""Keys of the provider configuration that the engine uses."""


@dataclass(frozen=True)
class ConsulSettings:
    """Address of an agent's HTTP API, `host:port`, and the ACL token."""

    address: str = DEFAULT_ADDRESS
    token: str = field(default="", repr=False)


def consul_settings(configuration: Mapping[str, Any], environment: Mapping[str, str]) -> ConsulSettings:
    """Merge the provider's configuration with the environment, which has lower precedence.

    Raises PluginError for a setting that is not supported.
    """
    settings = {key: value for key, value in configuration.items() if value and key not in NOT_SETTINGS}
    unsupported = sorted({*settings} - {"address", "token"}) + [
        key for key in UNSUPPORTED_VARIABLES if environment.get(key)
    ]
    if unsupported:
        raise PluginError(
            f"{', '.join(unsupported)}: not supported by this stand-in, which supports address and token over HTTP"
        )
    address = str(settings.get("address") or first_set(environment, ADDRESS_VARIABLES) or DEFAULT_ADDRESS)
    host = address.removeprefix("http://")
    if "/" in host:
        raise PluginError(f'address: must be [http://]host:port for this stand-in, got "{address}"')
    return ConsulSettings(host, str(settings.get("token") or first_set(environment, TOKEN_VARIABLES)))


def first_set(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Return the first of these variables that is not empty."""
    return next((environment[name] for name in names if environment.get(name)), "")


class ConsulError(PluginError):
    """A request to Consul failed. `status` is the HTTP status, None without a response."""

    def __init__(self, text: str, status: int | None = None) -> None:
        """Take a text in the format of Consul's Go client."""
        super().__init__(text)
        self.status = status


class ConsulApi:
    """One Consul agent. Each thread keeps a connection open, because a new connection per entry is slow."""

    def __init__(self, settings: ConsulSettings) -> None:
        """Send no request, because a preview must work while Consul is down."""
        self._settings = settings
        self._of_this_thread = threading.local()

    def entry(self, address: EntryAddress) -> dict[str, Any]:
        """Read an entry. Raises ConsulError with status 404 if there is none."""
        return dict(json.loads(self._request("GET", entry_path(address), address)))

    def put_entry(self, address: EntryAddress, body: Mapping[str, Any]) -> None:
        """Write an entry unconditionally."""
        self._request("PUT", "/v1/config", address, json.dumps(body))

    def delete_entry(self, address: EntryAddress) -> None:
        """Delete an entry unconditionally. A missing one is not an error."""
        self._request("DELETE", entry_path(address), address)

    def service_names(self, place: EntryAddress) -> list[str]:
        """Read the service names in the catalog, in the namespace and partition of `place`."""
        return list(json.loads(self._request("GET", "/v1/catalog/services", place)))

    def close(self) -> None:
        """Close this thread's connection. The next request opens another."""
        kept: http.client.HTTPConnection | None = self._of_this_thread.__dict__.pop("connection", None)
        if kept is not None:
            kept.close()

    def _request(self, method: str, path: str, address: EntryAddress, body: str | None = None) -> bytes:
        """Send one request and return the response body."""
        target = path + query(address)
        try:
            response = self._response(method, target, body)
            content = response.read()
        except (OSError, http.client.HTTPException) as problem:
            self.close()
            url = f"http://{self._settings.address}{target}"
            raise ConsulError(
                f'{METHOD_NAMES_OF_GO[method]} "{url}": {transport_problem(problem, self._settings.address)}'
            ) from None
        if response.status != HTTPStatus.OK:
            text = content.decode(errors="replace").strip()
            raise ConsulError(f"Unexpected response code: {response.status} ({text})", response.status)
        return content

    def _response(self, method: str, target: str, body: str | None) -> http.client.HTTPResponse:
        """Use the connection of this thread. Reconnect if Consul has closed the idle connection."""
        kept: http.client.HTTPConnection | None = getattr(self._of_this_thread, "connection", None)
        if kept is not None:
            try:
                return self._sent(kept, method, target, body)
            except (ConnectionError, http.client.BadStatusLine):
                kept.close()
        connection = http.client.HTTPConnection(self._settings.address, timeout=TIMEOUT_SECONDS)
        connection.connect()
        # Without TCP_NODELAY the body is delayed by 40 ms, until the headers are acknowledged.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._of_this_thread.connection = connection
        return self._sent(connection, method, target, body)

    def _sent(
        self, connection: http.client.HTTPConnection, method: str, target: str, body: str | None
    ) -> http.client.HTTPResponse:
        """Send one request over this connection."""
        headers = {"X-Consul-Token": self._settings.token} if self._settings.token else {}
        connection.request(method, target, body=body and body.encode(), headers=headers)
        return connection.getresponse()


def entry_path(address: EntryAddress) -> str:
    """Return the path of one entry."""
    return f"/v1/config/{quote(address.kind, safe='')}/{quote(address.name, safe='')}"


def query(address: EntryAddress) -> str:
    """Return the query with namespace and partition, which are empty in Consul's community edition."""
    given = {key: value for key, value in (("ns", address.namespace), ("partition", address.partition)) if value}
    return f"?{urlencode(given)}" if given else ""


def transport_problem(problem: Exception, address: str) -> str:
    """Describe a transport error, with the text of Go for frequent ones."""
    match problem:
        case ConnectionRefusedError():
            return f"dial tcp {address}: connect: connection refused"
        case TimeoutError():
            return f"dial tcp {address}: i/o timeout"
        case http.client.RemoteDisconnected():
            return "EOF"
        case _:
            return str(problem)
