"""Client of Consul's HTTP API, configured by the environment variables of Consul's own command line."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from consul_tracing.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 10.0

DEFAULT_ADDRESS = "127.0.0.1:8500"

SCHEMES = frozenset({"", "http", "https", "unix"})

TRUE = frozenset({"1", "t", "true"})
"""Texts that Consul reads as true, in lower case. Ref: https://pkg.go.dev/strconv#ParseBool"""


class ConsulClient:
    """Read-only client of one Consul."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read `CONSUL_HTTP_ADDR` and the related variables. Raises CommandError.

        Ref: https://developer.hashicorp.com/consul/commands#environment-variables
        """
        given = environment.get("CONSUL_HTTP_ADDR") or DEFAULT_ADDRESS
        scheme, _, place = given.rpartition("://")
        if scheme not in SCHEMES:
            raise CommandError(f'CONSUL_HTTP_ADDR must start with http://, https:// or unix://, got "{scheme}://"')
        # Consul never reverts to HTTP if CONSUL_HTTP_SSL requests TLS.
        secure = "https" if scheme == "https" or _is_true(environment.get("CONSUL_HTTP_SSL")) else "http"
        socket = place if scheme == "unix" else None
        url = f"{secure}://{'localhost' if socket else place}"
        self.address = given if socket else url
        auth = environment.get("CONSUL_HTTP_AUTH") or ""
        user, _, password = auth.partition(":")
        scope = {"ns": environment.get("CONSUL_NAMESPACE"), "partition": environment.get("CONSUL_PARTITION")}
        server_name = environment.get("CONSUL_TLS_SERVER_NAME")
        self._extensions = {"sni_hostname": server_name} if server_name else {}
        try:
            self._client = httpx.Client(
                base_url=url,
                headers={"X-Consul-Token": token} if (token := _token(environment)) else {},
                params={name: value for name, value in scope.items() if value},
                auth=(user, password) if auth else None,
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
            response = self._client.get(path, params=query, extensions=self._extensions)
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
    """Return the token. A file that is not empty has precedence over the variable, as in Consul's command line."""
    if file := environment.get("CONSUL_HTTP_TOKEN_FILE"):
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CommandError(f"CONSUL_HTTP_TOKEN_FILE cannot be read: {error.strerror}: {file}") from None
        if token:
            return token
    return environment.get("CONSUL_HTTP_TOKEN")


def _tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS settings. A directory of authorities has files of any name, as in Consul's command line."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if file := environment.get("CONSUL_CACERT"):
        context.load_verify_locations(file)
    elif directory := environment.get("CONSUL_CAPATH"):
        files = [one for one in Path(directory).rglob("*") if one.is_file()]
        if not files:
            raise CommandError(f"CONSUL_CAPATH must be a directory with certificates, got {directory}")
        for one in files:
            context.load_verify_locations(one)
    else:
        context.load_default_certs()
    certificate, key = environment.get("CONSUL_CLIENT_CERT"), environment.get("CONSUL_CLIENT_KEY")
    if certificate and key:
        context.load_cert_chain(certificate, key)
    elif certificate or key:
        raise CommandError("CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY are required together")
    if (verified := environment.get("CONSUL_HTTP_SSL_VERIFY")) and not _is_true(verified):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_true(text: str | None) -> bool:
    return (text or "").lower() in TRUE
