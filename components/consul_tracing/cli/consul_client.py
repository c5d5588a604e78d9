"""Client of Consul's HTTP API, configured by the environment variables of Consul's own command line."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from .command import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 10.0

DEFAULT_ADDRESS = "127.0.0.1:8500"

TRUE = frozenset({"1", "t", "true"})
"""Texts that Consul reads as true, in lower case. Ref: https://pkg.go.dev/strconv#ParseBool"""


class ConsulClient:
    """Read-only client of one Consul."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read `CONSUL_HTTP_ADDR` and the related variables. Raises CommandError.

        Ref: https://developer.hashicorp.com/consul/commands#environment-variables
        """
        address = environment.get("CONSUL_HTTP_ADDR") or DEFAULT_ADDRESS
        socket = address.removeprefix("unix://") if address.startswith("unix://") else None
        scheme = "https" if _is_true(environment.get("CONSUL_HTTP_SSL")) else "http"
        self.address = "http://localhost" if socket else address if "://" in address else f"{scheme}://{address}"
        user, _, password = (environment.get("CONSUL_HTTP_AUTH") or "").partition(":")
        scope = {"ns": environment.get("CONSUL_NAMESPACE"), "partition": environment.get("CONSUL_PARTITION")}
        try:
            self._client = httpx.Client(
                base_url=self.address,
                headers={"X-Consul-Token": token} if (token := _token(environment)) else {},
                params={name: value for name, value in scope.items() if value},
                auth=(user, password) if user else None,
                timeout=TIMEOUT_SECONDS,
                transport=httpx.HTTPTransport(uds=socket, verify=_tls(environment)),
                trust_env=False,
            )
        except (OSError, ValueError, httpx.InvalidURL) as error:
            raise CommandError(f"the connection to Consul cannot be configured: {error}") from None

    def __enter__(self) -> Self:
        """Return the client, whose connections are closed at the end of the block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a path such as `/v1/catalog/services`, None if it is not found. Raises CommandError."""
        try:
            response = self._client.get(path, params=query)
        except httpx.HTTPError as error:
            raise CommandError(f"Consul at {self.address} cannot be read: {error}") from None
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if not response.is_success:
            reason = " ".join(response.text.split())
            raise CommandError(f"Consul at {self.address} cannot be read: {response.status_code} {reason}".strip())
        try:
            return response.json()
        except ValueError:
            raise CommandError(f"{self.address} does not respond with JSON: it is not Consul") from None


def _token(environment: Mapping[str, str]) -> str | None:
    """Return the token. The variable has precedence over the file, as in Consul's command line."""
    if token := environment.get("CONSUL_HTTP_TOKEN"):
        return token
    if file := environment.get("CONSUL_HTTP_TOKEN_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CommandError(f"CONSUL_HTTP_TOKEN_FILE cannot be read: {error.strerror}: {file}") from None
    return None


def _tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=environment.get("CONSUL_CACERT") or None, capath=environment.get("CONSUL_CAPATH") or None
    )
    if certificate := environment.get("CONSUL_CLIENT_CERT"):
        context.load_cert_chain(certificate, environment.get("CONSUL_CLIENT_KEY") or None)
    if (verified := environment.get("CONSUL_HTTP_SSL_VERIFY")) and not _is_true(verified):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_true(text: str | None) -> bool:
    return (text or "").lower() in TRUE
