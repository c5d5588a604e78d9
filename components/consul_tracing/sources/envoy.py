"""Client of Envoy's admin interface, and its view of a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject

TIMEOUT_SECONDS = 10.0
"""A dump of thousands of clusters takes Envoy about a second."""


class AdminError(Exception):
    """The admin interface cannot be read."""


class EnvoyAdmin:
    """Read-only client of the admin interface of one proxy.

    Ref: https://www.envoyproxy.io/docs/envoy/latest/operations/admin
    """

    def __init__(self, address: str, client: httpx.Client | None = None) -> None:
        """Read from an address such as `127.0.0.1:19000`. Raises AdminError for an invalid one.

        `client`: another way to the interface, such as the pod proxy of a Kubernetes API server.
        """
        self.address = address
        try:
            self._client = client or httpx.Client(
                base_url=address if "://" in address else f"http://{address}", timeout=TIMEOUT_SECONDS, trust_env=False
            )
        except httpx.InvalidURL as error:
            raise AdminError(f"{address} is not an address such as 127.0.0.1:19000: {error}") from None

    def __enter__(self) -> Self:
        """Return the client, whose connections are closed at the end of the block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a path. Raises AdminError."""
        try:
            response = self._client.get(path, params=query)
            response.raise_for_status()
            return response.json()
        except httpx.HTTPStatusError as error:
            raise AdminError(f"{self.address} responds with status {error.response.status_code}") from None
        except httpx.HTTPError as error:
            raise AdminError(f"{self.address} cannot be read: {str(error) or type(error).__name__}") from None
        except ValueError:
            raise AdminError(f"{self.address} does not respond with JSON: it is not Envoy's admin interface") from None

    def config_dump(self) -> list[JsonObject]:
        """Return the sections of the configuration: bootstrap, clusters, listeners. Raises AdminError."""
        dump = self.get("/config_dump")
        configs = dump.get("configs", []) if isinstance(dump, dict) else []
        if not isinstance(configs, list) or not all(isinstance(one, dict) for one in configs):
            raise AdminError(f"{self.address} does not respond as Envoy's admin interface")
        return configs

    def stats(self, pattern: str) -> dict[str, int]:
        """Return the counters and gauges whose names match a regular expression. Raises AdminError."""
        found = self.get("/stats", format="json", filter=pattern)
        return {stat["name"]: stat["value"] for stat in found.get("stats", []) if "value" in stat}


def section(configs: list[JsonObject], name: str) -> JsonObject:
    """Return a section of a config dump, such as `BootstrapConfigDump`. Empty if the dump has none."""
    return next((config for config in configs if str(config.get("@type", "")).endswith(f".{name}")), {})


def bootstrap(configs: list[JsonObject]) -> JsonObject:
    """Return the bootstrap with which a proxy started."""
    found: JsonObject = section(configs, "BootstrapConfigDump").get("bootstrap", {})
    return found


def service_of(configs: list[JsonObject]) -> str:
    """Return the name of the service of a proxy. Consul sets it as the cluster of the node."""
    return str(bootstrap(configs).get("node", {}).get("cluster", ""))
