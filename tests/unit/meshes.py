"""Valid arguments of `MeshTracing`: a minimal set for examples, and strategies for property-based tests."""

import string
from typing import Any

from hypothesis import strategies as st

from consul_tracing import MeshTracingArgs
from consul_tracing.entries.bodies import config_json
from consul_tracing.entries.entry import Entry
from consul_tracing.entries.field_paths import field_paths
from consul_tracing.entries.metadata import ownership_metadata
from consul_tracing.inputs.mesh_settings import MeshSettings

COLLECTOR = {"host": "zipkin"}


def mesh(**args: Any) -> MeshTracingArgs:
    """Return minimal valid arguments, updated with `args`."""
    tracer = args.get("tracer")
    required = {"envoy_version": "1.36"} if isinstance(tracer, dict) and "opentelemetry" in tracer else {}
    return {"collector": COLLECTOR, **required, **args}  # type: ignore[typeddict-item]


def settings(**args: Any) -> MeshSettings:
    """Return validated settings from minimal arguments updated with `args`."""
    return MeshSettings.of("mesh", mesh(**args))


STACK = "acme/mesh/prod"
URN = "urn:pulumi:prod::mesh::consul-tracing:index:MeshTracing$consul:index/configEntry:ConfigEntry::mesh-x"


def text_of(entry: Entry) -> str:
    """Return the JSON that is written if no entry exists."""
    return config_json(entry.kind, entry.body, ownership_metadata(field_paths(entry.body), STACK, URN))


LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12).map(lambda label: f"h{label}")
HOST = st.one_of(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join),
    st.ip_addresses(v=4).filter(lambda address: not address.is_unspecified).map(str),
    st.ip_addresses(v=6).filter(lambda address: not address.is_unspecified).map(str),
)
TEXT = st.text(min_size=1, max_size=30).filter(lambda text: bool(text.strip()) and "-----BEGIN" not in text)
NAME = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=20)
PATH = (
    st.text(string.ascii_letters + "/.-_", max_size=20)
    .map(lambda path: f"/{path}")
    .filter(lambda path: "-----BEGIN" not in path)
)
PERCENT = st.one_of(st.integers(0, 100), st.floats(0.01, 100, allow_nan=False))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def some(required: dict[str, Any] | None = None, **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Generate maps with all `required` keys and any of the `optional` keys."""
    return st.fixed_dictionaries(required or {}, optional=optional)


TLS = some({"ca_file": PATH}, server_name=HOST) | some({"ca_file": PATH, "certificate_file": PATH, "key_file": PATH})
HEADERS = st.dictionaries(
    st.from_regex(r"x-[a-j]{1,8}", fullmatch=True), st.from_regex(r"[!-$&-z]{1,9}", fullmatch=True), max_size=3
)
"""Headers, without braces: `lint` reads two of them as an expression of a template."""
RETRY_SECONDS = st.integers(0, 720).map(lambda number: 5 * number)
"""Outages with a number of retries of their own."""
ZIPKIN_OR_DATADOG = st.one_of(
    st.fixed_dictionaries(
        {
            "zipkin": some(
                path=PATH,
                encoding=st.sampled_from(["json", "protobuf"]),
                trace_id_128bit=st.booleans(),
                shared_span_context=st.booleans(),
                hostname=TEXT,
                propagation=st.sampled_from(["b3", "b3+w3c"]),
                headers=HEADERS,
            )
        }
    ),
    st.fixed_dictionaries({"datadog": some({"service_name": TEXT})}),
)
OPENTELEMETRY = st.one_of(
    some(
        {"transport": st.just("http")},
        path=PATH,
        service_name=TEXT,
        resource_attributes=st.dictionaries(TEXT, TEXT, max_size=3),
        headers=HEADERS,
    ),
    some(transport=st.just("grpc"), service_name=TEXT, headers=HEADERS, retry_seconds=RETRY_SECONDS),
).map(lambda tracer: {"opentelemetry": tracer})
HEADER = st.text(string.ascii_letters + "-", min_size=1, max_size=12)
VARIABLE = st.text(string.ascii_uppercase + "_", min_size=1, max_size=12)
TAG = st.one_of(
    some({"literal": TEXT}),
    some({"request_header": HEADER}, default=TEXT),
    some({"environment": VARIABLE}, default=TEXT),
    some({"caller": st.sampled_from(["service", "namespace", "datacenter", "trust-domain"])}, default=TEXT),
)
SAMPLER_PERCENT = PERCENT.map(lambda percent: round(percent, 4))
"""Rates that Envoy's `FractionalPercent` can express."""
SERVICE = some(
    {"protocol": st.sampled_from(["tcp", "http", "http2", "grpc"])},
    tracing=some({"enabled": st.sampled_from([False])})
    | some(enabled=st.sampled_from([True]), sampling=SAMPLER_PERCENT),
)
STATIC_CLUSTERS = st.lists(LABEL, max_size=3, unique=True).map(
    lambda names: [{"name": name, "type": "STRICT_DNS", "connectTimeout": "1s"} for name in names]
)
ALL_RATES = some(client=PERCENT, random=PERCENT, overall=PERCENT)
SAMPLED = st.one_of(
    st.fixed_dictionaries(
        {"envoy_version": st.just("1.36"), "sampling": ALL_RATES}, optional={"tracer": ZIPKIN_OR_DATADOG}
    ),
    st.fixed_dictionaries({"envoy_version": st.just("1.34"), "sampling": ALL_RATES, "tracer": OPENTELEMETRY}),
    st.fixed_dictionaries(
        {
            "envoy_version": st.sampled_from(["1.35", "1.40"]),
            "sampling": some(random=SAMPLER_PERCENT),
            "tracer": OPENTELEMETRY,
        }
    ),
)
"""A tracer, its sampling rates, and an Envoy that supports both."""
OTHER_ARGS = some(
    {
        "collector": some(
            {"host": HOST}, port=st.integers(1, 65535), connect_timeout_ms=st.integers(1, 600_000), tls=TLS
        ),
    },
    enabled=st.booleans(),
    spans=some(max_path_tag_length=st.integers(1, 2**32 - 1), spawn_upstream_span=st.booleans(), verbose=st.booleans()),
    gateways=st.sampled_from(["join", "skip"]),
    tags=st.dictionaries(TEXT, TAG, max_size=4),
    access_logs=some(trace_id=st.booleans()),
    services=st.dictionaries(NAME.map(lambda name: f"s{name}"), SERVICE, max_size=4),
    tcp_services=st.lists(NAME.map(lambda name: f"t{name}"), max_size=3, unique=True),
    static_clusters=STATIC_CLUSTERS,
    proxy_config=st.dictionaries(TEXT.map(lambda key: f"x{key}"), JSON, max_size=3),
    proxy_defaults=some(
        MeshGateway=some(Mode=st.sampled_from(["local", "remote"])),
        Meta=st.dictionaries(NAME.map(lambda name: f"x{name}"), TEXT, max_size=3),
    ),
)
AUTH = some({"file": PATH | st.just('/a "b" \\c')}, header=st.from_regex(r"x-k[a-j]{1,8}", fullmatch=True))


def newer(parts: tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None, int | None]) -> dict[str, Any]:
    """Add the inputs that require Envoy 1.36, where they are supported."""
    args, sampled, auth, cache = parts
    tracer, is_new = sampled.get("tracer", {}), sampled["envoy_version"] in {"1.36", "1.40"}
    if auth is not None and is_new and "datadog" not in tracer:
        args = {**args, "collector": {**args["collector"], "auth": auth}}
    if cache is not None and is_new and "opentelemetry" in tracer:
        tracer = {"opentelemetry": {**tracer["opentelemetry"], "max_cache_size": cache}}
    return {**args, **sampled, **({"tracer": tracer} if tracer else {})}


MESHES = st.tuples(OTHER_ARGS, SAMPLED, st.none() | AUTH, st.none() | st.integers(5, 10_000)).map(newer)
"""Valid arguments of `MeshTracing`."""


def reordered(value: Any) -> Any:
    """Return `value` with the keys of every map in reverse order."""
    if isinstance(value, dict):
        return {key: reordered(member) for key, member in reversed(value.items())}
    return [reordered(member) for member in value] if isinstance(value, list) else value
