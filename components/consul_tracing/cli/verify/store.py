"""The trace store of a run, from the options and the environment."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from consul_tracing.cli.command import read_text
from consul_tracing.errors import CommandError, error_reason
from consul_tracing.sources.http import shown_url
from consul_tracing.sources.stores.client import StoreClient, store_url
from consul_tracing.sources.stores.jaeger import Jaeger
from consul_tracing.sources.stores.tempo import Tempo
from consul_tracing.sources.stores.zipkin import Zipkin

from .requests import parsed_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consul_tracing.sources.stores import TraceStore

    Store = Callable[[StoreClient], TraceStore]

STORES: Mapping[str, tuple[Store, int]] = {
    "zipkin": (Zipkin, 9411),
    "jaeger": (Jaeger, 16686),
    "tempo": (Tempo, 3200),
}
"""Stores and their default ports."""

FORMS = "zipkin=URL, jaeger=URL or tempo=URL"

TOKEN = "CONSUL_TRACING_STORE_TOKEN"  # noqa: S105 - the name of a variable
AUTH = "CONSUL_TRACING_STORE_AUTH"


@dataclass(frozen=True, repr=False)
class StoreOptions:
    """The options for the trace store. Some are secrets."""

    store: str = ""
    zipkin: str = ""
    token_file: str = ""
    auth_file: str = ""
    headers: Sequence[str] = ()
    ca_file: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


def store_of(options: StoreOptions) -> TraceStore:
    """Return the store of the options. Raises CommandError."""
    store, client = client_of(options)
    return store(client)


def client_of(options: StoreOptions) -> tuple[Store, StoreClient]:
    """Return the reader and the client of the store. Raises CommandError, without values that may be secrets."""
    if bool(options.store) == bool(options.zipkin):
        raise CommandError("--store conflicts with --zipkin" if options.store else f"--store is required: {FORMS}")
    kind, is_given, address = (options.store or f"zipkin={options.zipkin}").partition("=")
    if kind not in STORES or not is_given:
        raise CommandError(f"--store must have the form {FORMS}")
    store, port = STORES[kind]
    url = store_url(address, port)
    token = _secret(options.token_file, options.environment.get(TOKEN))
    auth = _secret(options.auth_file, options.environment.get(AUTH))
    if token and (auth or url.username):
        raise CommandError(f"a token of the trace store conflicts with a user and a password ({TOKEN}, {AUTH})")
    if auth:
        user, has_password, password = auth.partition(":")
        if not has_password:
            raise CommandError(f"--store-auth-file and {AUTH} must contain USER:PASSWORD")
        url = url._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{url.netloc.rpartition('@')[2]}")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    client = StoreClient(
        url=url,
        program=kind.capitalize(),
        address=shown_url(url),
        headers={**headers, **parsed_headers(options.headers, "--store-header")},
        tls=_authorities(options.ca_file) if options.ca_file else None,
    )
    return store, client


def _secret(file: str, value: str | None) -> str:
    """Return the first line of a file, else the value of a variable."""
    return read_text(file).strip() if file else (value or "").strip()


def _authorities(file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        raise CommandError(f"--ca-file must contain certificates in PEM: {file}") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"--ca-file cannot be read: {error_reason(error)}: {file}") from None
