"""Environment variables of Zipkin's storage, and their Secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consul_tracing.inputs.collector_settings import (
        CassandraStorage,
        ElasticsearchStorage,
        TrustStore,
        ZipkinCollectorSettings,
    )
    from consul_tracing.names import JsonObject

TRUST_STORE_DIRECTORY = "/etc/zipkin/trust"

TRUST_STORE_PASSWORD = "TRUST_STORE_PASSWORD"  # noqa: S105 - the name of a variable


def storage_variables(settings: ZipkinCollectorSettings) -> dict[str, str]:
    """Return the variables of the storage without credentials."""
    storage = settings.storage
    if storage.elasticsearch is not None:
        return elasticsearch_variables(storage.elasticsearch)
    if storage.cassandra is not None:
        return cassandra_variables(storage.cassandra)
    return {"STORAGE_TYPE": "mem", "MEM_MAX_SPANS": str(settings.max_spans)}


def elasticsearch_variables(storage: ElasticsearchStorage) -> dict[str, str]:
    """Return the variables of the storage. Defaults are written, so that new versions of Zipkin do not change them."""
    variables = {
        "STORAGE_TYPE": "elasticsearch",
        "ES_HOSTS": ",".join(storage.hosts),
        "ES_INDEX": storage.index,
        "ES_INDEX_SHARDS": str(storage.index_shards),
        "ES_INDEX_REPLICAS": str(storage.index_replicas),
        "ES_ENSURE_TEMPLATES": boolean(storage.ensure_templates),
        "ES_TIMEOUT": str(storage.timeout_ms),
    }
    if storage.pipeline is not None:
        variables["ES_PIPELINE"] = storage.pipeline
    if not storage.verify_certificate:
        variables["ES_SSL_NO_VERIFY"] = "true"
    return variables


def cassandra_variables(storage: CassandraStorage) -> dict[str, str]:
    """Return the variables of the storage. Defaults are written, so that new versions of Zipkin do not change them."""
    variables = {
        "STORAGE_TYPE": "cassandra3",
        "CASSANDRA_CONTACT_POINTS": ",".join(storage.contact_points),
        "CASSANDRA_KEYSPACE": storage.keyspace,
        "CASSANDRA_LOCAL_DC": storage.local_dc,
        "CASSANDRA_MAX_CONNECTIONS": str(storage.max_connections),
        "CASSANDRA_ENSURE_SCHEMA": boolean(storage.ensure_schema),
        "CASSANDRA_USE_SSL": boolean(storage.use_ssl),
    }
    if storage.use_ssl:
        variables["CASSANDRA_SSL_HOSTNAME_VALIDATION"] = boolean(storage.verify_hostname)
    return variables


def boolean(value: bool) -> str:  # noqa: FBT001
    """Return a boolean as the value of a variable."""
    return "true" if value else "false"


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
