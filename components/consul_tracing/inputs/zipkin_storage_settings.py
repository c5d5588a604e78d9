"""Inputs of Zipkin's storage."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from consul_tracing.errors import Problem
from consul_tracing.names import UNRESOLVED

from .kubernetes_types import ContactPoint, ElasticsearchUrl, FileKey, Index, Keyspace, ports_of
from .types import Count, Milliseconds, Text, Whole
from .validation import Settings


class Variable(str):
    """The environment variable of Zipkin with the value of a field."""

    __slots__ = ()


def variables_of(storage: type[Settings]) -> dict[str, str]:
    """Return the environment variables of a storage, each with the name of its field."""
    fields = storage.model_fields.items()
    return {one: name for name, field in fields for one in field.metadata if isinstance(one, Variable)}


class TrustStore(Settings):
    """Java trust store with the authorities of the storage's certificate, in an existing Secret."""

    secret: Text
    """Name of the Secret in the collector's namespace."""

    key: FileKey = "truststore.p12"
    """Key of the Secret with the trust store (PKCS12 or JKS)."""

    password_key: Text = "password"  # noqa: S105 - the name of a key
    """Key of the Secret with the password, which must not contain spaces."""


class MemoryStorage(Settings):
    """Storage in the memory of Zipkin. It needs no other program, and loses all spans on each restart."""

    max_spans: Annotated[Count | None, Variable("MEM_MAX_SPANS")] = None
    """Maximum number of spans; Zipkin removes the oldest traces first. Default: the number that fits into the heap.

    With `memory_limit` 512Mi: 26,600. Zipkin's own default of 500,000 requires gigabytes of heap for spans of Envoy.
    """


class DurableStorage(Settings):
    """Storage that pods share and that preserves spans on restarts."""

    credentials_secret: Text | None = None
    """Name of an existing Secret with user and password in the collector's namespace. Default: no credentials.

    Pods read the Secret at startup. Restart them after a change.
    """

    username_key: Text = "username"
    """Key of the Secret with the user."""

    password_key: Text = "password"  # noqa: S105 - the name of a key
    """Key of the Secret with the password."""

    trust_store: TrustStore | None = None

    def _problems(self) -> Iterator[Problem]:
        if self.credentials_secret is None:
            yield from self.unsupported("without credentials_secret", "username_key", "password_key")


class ElasticsearchStorage(DurableStorage):
    """Storage in Elasticsearch 7 or 8, or in OpenSearch. Zipkin detects the version."""

    hosts: Annotated[list[ElasticsearchUrl], Field(min_length=1), Variable("ES_HOSTS")]
    """URLs of the HTTP API with one scheme, such as `["https://elasticsearch.logging.svc:9200"]`.

    The default port is that of the scheme, 80 or 443. User and password are not supported here.
    """

    index: Annotated[Index, Variable("ES_INDEX")] = "zipkin"
    """Prefix of the daily indices."""

    index_shards: Annotated[Count, Variable("ES_INDEX_SHARDS")] = 5
    """Shards of each new index. Default: {default}, Zipkin's default."""

    index_replicas: Annotated[Whole, Variable("ES_INDEX_REPLICAS")] = 1
    """Replicas of each shard. Default: {default}, Zipkin's default. 0 loses spans with a node of Elasticsearch."""

    ensure_templates: Annotated[bool, Variable("ES_ENSURE_TEMPLATES")] = True
    """Whether Zipkin writes its index templates at startup. Set false if another tool manages them."""

    pipeline: Annotated[Text | None, Variable("ES_PIPELINE")] = None
    """Ingest pipeline of the spans."""

    timeout_ms: Annotated[Milliseconds, Variable("ES_TIMEOUT")] = 10000
    """Timeout of requests to Elasticsearch, in milliseconds. Default: {default}, Zipkin's default."""

    trust_store: TrustStore | None = None
    """Trust store for https. Default: the public authorities of Java in the image."""

    verify_certificate: Annotated[bool, Variable("ES_SSL_NO_VERIFY")] = True
    """Whether the server's certificate is verified. Default: {default}. False is for tests only, and logs a warning."""

    @property
    def ports(self) -> list[int | str]:
        """The ports of the storage."""
        return ports_of(self.hosts)

    @property
    def is_encrypted(self) -> bool:
        """Whether the hosts use https."""
        return self.hosts[0].startswith("https:") or UNRESOLVED in self.hosts

    def _problems(self) -> Iterator[Problem]:
        if len({host.partition(":")[0] for host in self.hosts if host != UNRESOLVED}) > 1:
            yield Problem("hosts", "must be URLs of one scheme, got http and https")
        elif not self.is_encrypted:
            yield from self.unsupported("with http hosts", "trust_store", "verify_certificate")
        if not self.verify_certificate and self.trust_store is not None:
            yield Problem("trust_store", "is not supported with verify_certificate: false")
        yield from super()._problems()


class CassandraStorage(DurableStorage):
    """Storage in Cassandra 3.11.3 or newer. The default image is openzipkin/zipkin: the slim image has no Cassandra."""

    contact_points: Annotated[list[ContactPoint], Field(min_length=1), Variable("CASSANDRA_CONTACT_POINTS")]
    """Nodes for the first connection, with or without a port (9042), such as `["cassandra.storage.svc"]`."""

    keyspace: Annotated[Keyspace, Variable("CASSANDRA_KEYSPACE")] = "zipkin2"
    """Keyspace of the spans. Default: {default}, Zipkin's default."""

    local_dc: Annotated[Text, Variable("CASSANDRA_LOCAL_DC")] = "datacenter1"
    """Data center to which Zipkin connects. Default: {default}, the default of Zipkin and Cassandra."""

    max_connections: Annotated[Count, Variable("CASSANDRA_MAX_CONNECTIONS")] = 8
    """Connections to each node. Default: {default}, Zipkin's default."""

    ensure_schema: Annotated[bool, Variable("CASSANDRA_ENSURE_SCHEMA")] = True
    """Whether Zipkin creates and upgrades the schema at startup. Default: {default}, Zipkin's default."""

    use_ssl: Annotated[bool, Variable("CASSANDRA_USE_SSL")] = False
    """Whether connections use TLS. Default: {default}. True requires `trust_store`."""

    verify_hostname: Annotated[bool, Variable("CASSANDRA_SSL_HOSTNAME_VALIDATION")] = True
    """Whether the certificate of a node must contain its name, with `use_ssl`."""

    trust_store: TrustStore | None = None
    """Trust store for `use_ssl`."""

    @property
    def ports(self) -> list[int | str]:
        """The ports of the storage."""
        return ports_of(self.contact_points)

    def _problems(self) -> Iterator[Problem]:
        if self.use_ssl and self.trust_store is None:
            yield Problem("trust_store", "is required with use_ssl")
        if not self.use_ssl:
            yield from self.unsupported("without use_ssl: true", "trust_store", "verify_hostname")
        yield from super()._problems()


class Storage(Settings):
    """Storage of spans: exactly one field."""

    one_of: ClassVar[tuple[str, ...]] = ("memory", "elasticsearch", "cassandra")

    memory: MemoryStorage | None = None
    """Memory of Zipkin: one replica, spans are lost on each restart."""

    elasticsearch: ElasticsearchStorage | None = None
    """Elasticsearch or OpenSearch."""

    cassandra: CassandraStorage | None = None
    """Cassandra."""

    @property
    def durable(self) -> ElasticsearchStorage | CassandraStorage | None:
        """The storage that pods share and that preserves spans on restarts. None for storage in memory."""
        return self.elasticsearch or self.cassandra
