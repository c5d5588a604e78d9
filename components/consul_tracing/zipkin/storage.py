"""Environment variables of Zipkin's storage, and their Secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.inputs.zipkin_storage_settings import (
    CassandraStorage,
    ElasticsearchStorage,
    MemoryStorage,
    variables_of,
)

if TYPE_CHECKING:
    from consul_tracing.inputs.zipkin_collector_settings import ZipkinCollectorSettings
    from consul_tracing.inputs.zipkin_storage_settings import TrustStore
    from consul_tracing.names import JsonObject

TRUST_STORE_DIRECTORY = "/etc/zipkin/trust"

TRUST_STORE_PASSWORD = "TRUST_STORE_PASSWORD"  # noqa: S105 - the name of a variable


STORAGE_TYPES = {"memory": "mem", "elasticsearch": "elasticsearch", "cassandra": "cassandra3"}


def storage_variables(settings: ZipkinCollectorSettings) -> dict[str, str]:
    """Return the variables of the storage without credentials.

    Defaults are written, so that new versions of Zipkin do not change them.
    """
    kind, storage = next((kind, group) for kind, group in settings.storage if group is not None)
    values = {variable: getattr(storage, field) for variable, field in variables_of(type(storage)).items()}
    match storage:
        case ElasticsearchStorage():
            values["ES_SSL_NO_VERIFY"] = None if storage.verify_certificate else True
        case CassandraStorage() if not storage.use_ssl:
            del values["CASSANDRA_SSL_HOSTNAME_VALIDATION"]
        case MemoryStorage():
            values["MEM_MAX_SPANS"] = settings.max_spans
    written = {variable: _text(value) for variable, value in values.items() if value is not None}
    return {"STORAGE_TYPE": STORAGE_TYPES[kind], **written}


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return ",".join(value)
        case _:
            return str(value)


def credentials(settings: ZipkinCollectorSettings) -> dict[str, JsonObject]:
    """Return the variables from Secrets, each with its reference."""
    from_secrets: dict[str, JsonObject] = {}
    storage = settings.storage.durable
    if storage is not None and storage.credentials_secret is not None:
        prefix = "CASSANDRA" if settings.storage.cassandra else "ES"
        from_secrets[f"{prefix}_USERNAME"] = secret_key(storage.credentials_secret, storage.username_key)
        from_secrets[f"{prefix}_PASSWORD"] = secret_key(storage.credentials_secret, storage.password_key)
    if store := trust_store(settings):
        from_secrets[TRUST_STORE_PASSWORD] = secret_key(store.secret, store.password_key)
    return from_secrets


def secret_key(name: str, key: str) -> JsonObject:
    """Build the reference to a key of a Secret."""
    return {"secretKeyRef": {"name": name, "key": key}}


def trust_store(settings: ZipkinCollectorSettings) -> TrustStore | None:
    """Return the trust store of the storage, if any."""
    return settings.storage.durable.trust_store if settings.storage.durable else None
