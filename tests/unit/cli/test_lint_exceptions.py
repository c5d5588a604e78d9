"""Exceptions of the rules of `lint`. Each row is the documented complete entry with edits, and its findings."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from consul_tracing.backends.kubernetes.access import MissingKindError
from consul_tracing.cli.lint.command import lint_command
from consul_tracing.cli.lint.kubernetes import documents_in
from consul_tracing.cli.lint.live import (
    catalog_services,
    consul_documents,
    documents_of,
    dropped_findings,
    service_findings,
)
from consul_tracing.cli.lint.report import as_sarif, as_text
from consul_tracing.cli.selection import selected
from consul_tracing.errors import CommandError
from consul_tracing.files.documents import read_documents
from consul_tracing.lint.checks import Checked, check_texts
from consul_tracing.lint.credentials import credential_issues
from consul_tracing.lint.examples import complete_entry
from consul_tracing.lint.findings import Finding, Issue
from consul_tracing.lint.fixes import fixed
from consul_tracing.lint.proxy_config import ProxyConfig, proxy_config
from consul_tracing.lint.releases import Releases
from consul_tracing.lint.rules import findings
from consul_tracing.lint.sampling_rules import sampled_percent
from tests.unit.cli.test_lint import CLUSTERS, KEYS, codes, document, lint

TRACER, LISTENER = KEYS[:2]
FORM, COMPLETE = "hcl", complete_entry()
CONFIG = {key: json.loads(text) for key, text in read_documents(COMPLETE, f"mesh.{FORM}")[0].fields["Config"].items()}
PLACES = {
    "tracer": (TRACER, "http", "typed_config"),
    "http": (TRACER, "http"),
    "listener": (LISTENER,),
    "cluster": (CLUSTERS,),
    "options": (CLUSTERS, "typed_extension_protocol_options", "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
    "tls": (CLUSTERS, "transport_socket", "typed_config"),
    "validation": (CLUSTERS, "transport_socket", "typed_config", "common_tls_context", "validation_context"),
    "socket": (
        *(CLUSTERS, "load_assignment", "endpoints", 0),
        *("lb_endpoints", 0, "endpoint", "address", "socket_address"),
    ),
    "config": (),
}
TYPE = "type.googleapis.com/"
TLS = f"{TYPE}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
ZIPKIN = CONFIG[TRACER]["http"]["typed_config"]
W3C = {
    **CONFIG[TRACER]["http"],
    "typed_config": {**ZIPKIN, "trace_context_option": "USE_B3_WITH_W3C_PROPAGATION"},
}
NAMES = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "zipkin.example"}}]}
STATIC = {"default_validation_context": {}, "validation_context_sds_secret_config": {"name": "ca"}}
SECRET = {"name": "ca", "sds_config": {"path_config_source": {"path": "/ca.json"}}}
COMBINED = {"default_validation_context": {}, "validation_context_sds_secret_config": SECRET}
CA = {"trusted_ca": {"filename": "/ca.pem"}}


def edited(**edits: Any) -> dict[str, Any]:
    """Return the complete `Config` with other values at places (`socket__address`). None removes, a dict is merged."""
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    for name, value in edits.items():
        place, _, field = name.partition("__")
        holder: Any = config
        for step in PLACES[place]:
            holder = holder[step] if isinstance(step, int) else holder.setdefault(step, {})
        if value is None:
            del holder[field]
        elif field:
            holder[field] = value
        else:
            holder.update(value)
    if "transport_socket" in config.get(CLUSTERS, {}):
        config[CLUSTERS]["transport_socket"].setdefault("name", "envoy.transport_sockets.tls")
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def otlp(**fields: Any) -> dict[str, Any]:
    """Return the tracer of OpenTelemetry over gRPC."""
    service = {"envoy_grpc": {"cluster_name": "zipkin"}}
    return {
        "name": "envoy.tracers.opentelemetry",
        "typed_config": {
            "@type": f"{TYPE}envoy.config.trace.v3.OpenTelemetryConfig",
            "service_name": "mesh",
            **(fields or {"grpc_service": service}),
        },
    }


GRPC = {"config__" + TRACER: {"http": otlp()}, "socket__port_value": 4317, "listener__random_sampling": {"value": 100}}


def options(**fields: Any) -> dict[str, Any]:
    return {"options": {"@type": f"{TYPE}envoy.extensions.upstreams.http.v3.HttpProtocolOptions", **fields}}


def over_http(**uri: str) -> dict[str, Any]:
    given = {"uri": "http://zipkin/api/v2/spans", "cluster": "zipkin", "timeout": "1s", **uri}
    return {"http_uri": {name: value for name, value in given.items() if value}}


BY_SERVICE = {"tracer__collector_cluster": None, "tracer__collector_endpoint": None}
TAG: dict[str, Any] = {"tag": "a"}
DATADOG = {"name": "envoy.tracers.datadog", "typed_config": {"@type": f"{TYPE}envoy.config.trace.v3.DatadogConfig"}}
SAMPLED = {
    "grpc_service": {"envoy_grpc": {"cluster_name": "zipkin"}},
    "sampler": {"name": "a", "typed_config": {"description": "without a type"}},
}

ROWS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    # The protocol of the cluster of a gRPC tracer.
    (GRPC, ["CT313"]),
    ({**GRPC, **options(explicit_http_config={"http_protocol_options": {}})}, ["CT313"]),
    ({**GRPC, "cluster__http2_protocol_options": {}}, []),
    ({**GRPC, **options(explicit_http_config={"http2_protocol_options": {}})}, []),
    ({**GRPC, **options(explicit_http_config={"http3_protocol_options": {}})}, ["CT308"]),
    ({**GRPC, **options(auto_config={}), "tls": {"@type": TLS, "auto_sni_san_validation": True}, "validation": CA}, []),
    ({**GRPC, **options(auto_config={})}, ["CT308"]),
    ({**GRPC, **options(use_downstream_protocol_config={})}, []),
    ({**GRPC, "config__" + TRACER: {"http": otlp(grpc_service={"envoy_grpc": {"cluster_name": "self_admin"}})}}, []),
    # Hosts and ports.
    ({"tracer__collector_cluster": "self_admin"}, []),
    ({"tracer__collector_cluster": ""}, ["CT308"]),
    *(({"cluster__type": name, "socket__address": "a b"}, ["CT312"]) for name in ("STATIC", "static", 0, "STRICT_DNS")),
    ({"socket__address": "fd00::1"}, []),
    ({"socket__address": "0.0.0.0"}, ["CT312"]),  # noqa: S104 - not a listener
    ({"socket__address": ""}, ["CT308"]),
    ({"socket__port_value": "x"}, ["CT308"]),
    ({"socket__port_value": "9411"}, []),
    ({"cluster__name": 7}, ["CT308", "CT310"]),
    ({"cluster__name": None}, ["CT308", "CT310"]),
    ({"cluster__name": "local_app"}, ["CT310", "CT311"]),
    ({"cluster__transport_socket_matcher": {}}, []),
    ({"cluster__transport_socket": {"name": "tls"}}, ["CT308"]),
    ({"cluster__transport_socket": {"name": "envoy.transport_sockets.raw_buffer"}}, ["CT308"]),
    # The verification of the collector.
    ({"tls": {"@type": TLS}}, ["CT316"]),
    ({"tls": {"@type": TLS}, "validation": CA}, ["CT316"]),
    *(({"tls": {"@type": TLS}, "validation": {**CA, name: value}}, []) for name, value in NAMES.items()),
    ({"tls": {"@type": TLS}, "validation": {**CA, "match_subject_alt_names": [{"exact": "zipkin.example"}]}}, []),
    ({"tls": {"@type": TLS, "auto_sni_san_validation": True}, "validation": CA}, []),
    # Envoy does not read these certificates.
    *(
        ({"tls": {"@type": TLS}, "validation": {**names, name: value}}, [code])
        for name, value in (("system_root_certs", {}), ("ca_certificate_provider_instance", {"instance_name": "a"}))
        for names, code in ((NAMES, "CT308"), ({}, "CT316"))
    ),
    ({"tls": {"@type": TLS}, "validation": NAMES}, ["CT308"]),
    ({"tls": {"@type": TLS, "auto_sni_san_validation": True}}, ["CT308"]),
    ({"tls": {"@type": TLS, "common_tls_context": {"combined_validation_context": COMBINED}}}, []),
    ({"tls": {"@type": TLS, "common_tls_context": {"combined_validation_context": STATIC}}}, ["CT308"]),
    (
        {"tls": {"@type": TLS, "common_tls_context": {"combined_validation_context": COMBINED}}, "validation": CA},
        ["CT308"],
    ),
    ({"tls": {"@type": f"{TYPE}envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}, []),
    ({"tls": {"@type": TLS.replace("Upstream", "Downstream")}}, ["CT308"]),
    # The form of values.
    ({"config": {TRACER: ""}}, ["CT334"]),
    ({"config": {LISTENER: ""}}, ["CT320"]),
    ({"config": {CLUSTERS: '{"name": },'}}, ["CT302"]),
    ({"config": {CLUSTERS: "[], []"}}, ["CT308", "CT308", "CT310"]),
    ({"config": {CLUSTERS: '"a", "b"'}}, ["CT308", "CT308", "CT310"]),
    ({"config": {CLUSTERS: '"a"'}}, ["CT302"]),
    ({"config": {LISTENER: "{"}}, ["CT302"]),
    ({"config": {LISTENER: "{"}, "config__" + TRACER: None}, ["CT302"]),
    # Keys.
    ({"config": {"Protocol": "http", "envoy_prometheus_bind_addr": "0.0.0.0:9102"}}, []),
    ({"config": {"ENVOY_LISTENER_JSON": "{}", "envoy_public_listeners": "{}"}}, []),
    ({"config": {"envoy_tracing": "{}"}}, ["CT325"]),
    ({"config": {"envoy_bootstrap_json_tpl": "{}"}}, ["CT333"]),
    ({"config": {"envoy_bootstrap_json_tpl": "{}"}, "config__" + TRACER: None}, ["CT334"]),
    ({"config__" + TRACER: None, "config__" + LISTENER: None}, []),
    ({"config__" + TRACER: None, "listener__provider": CONFIG[TRACER]["http"]}, []),
    ({"config__" + CLUSTERS: None}, ["CT310"]),
    # The listener.
    ({"listener__@type": CONFIG[LISTENER]["@type"].removeprefix(TYPE)}, []),
    ({"listener__@type": f"{TYPE}envoy.config.trace.v3.Tracing"}, ["CT322"]),
    *(({"listener__custom_tags": [{**TAG, name: {"name": "a"}}]}, []) for name in ("environment", "request_header")),
    ({"listener__custom_tags": [{**TAG, "metadata": {"kind": {"host": {}}}}, {**TAG, "literal": {"value": "b"}}]}, []),
    ({"listener__custom_tags": [TAG, {"literal": {"value": "b"}}, {**TAG, "literal": {}}]}, ["CT308"] * 3),
    ({"listener__client_sampling": {"value": 0}}, []),
    ({"listener__client_sampling": None, "listener__overall_sampling": None}, []),
    ({"listener__random_sampling": None}, ["CT319"]),
    ({"listener__random_sampling": {"value": 0}, "listener__overall_sampling": {}}, ["CT321", "CT321"]),
    ({"listener__random_sampling": {"denominator": "MILLION"}}, ["CT318"]),
    ({"listener__random_sampling": {"value": True}}, ["CT308"]),
    ({"listener__random_sampling": {"value": 101}}, ["CT308"]),
    # The tracer.
    ({"config__" + TRACER: {"http": CONFIG[TRACER]["http"], "other": 1}}, ["CT308"]),
    ({"http__name": ""}, ["CT308"]),
    ({"config__" + TRACER: {"http": {**CONFIG[TRACER]["http"], "config": None}}}, ["CT306"]),
    ({"config__" + TRACER: {"http": {**CONFIG[TRACER]["http"], "nme": None}}}, ["CT308"]),
    ({"tracer__@type": "envoy.config.trace.v3.ZipkinConfig"}, ["CT308"]),
    ({"listener__provider": 0}, ["CT308"]),
    ({"http__name": "envoy.lightstep", "tracer__@type": f"{TYPE}acme.Config"}, ["CT305"]),
    ({"tracer__@type": f"{TYPE}acme.Config"}, ["CT305"]),
    *(({"tracer__collector_endpoint_version": one}, []) for one in ("http_json", "HTTP_PROTO", 1, "2")),
    *(({"tracer__collector_endpoint_version": one}, ["CT308"]) for one in ("GRPC", 101, "HTTP_XML")),
    (
        {"cluster__load_assignment": {"cluster_name": "zipkin", "endpoints": [{"lb_endpoints": [{}]}]}},
        ["CT308", "CT348"],
    ),
    ({"tracer__collector_endpoint": "/api/v1/spans/"}, ["CT314"]),
    ({"tracer__trace_id_128bit": "true"}, []),
    ({"tracer__collector_endpoint": None}, ["CT308"]),
    ({**BY_SERVICE, "tracer__collector_service": over_http()}, []),
    ({**BY_SERVICE, "tracer__collector_service": over_http(timeout="")}, ["CT308"]),
    ({**BY_SERVICE, "tracer__collector_service": over_http(uri="http://zipkin/api/v1/spans")}, ["CT314"]),
    ({**GRPC, "config__" + TRACER: {"http": otlp(http_service=over_http()) | {}}, "socket__port_value": 4318}, []),
    ({**GRPC, "config__" + TRACER: {"http": otlp(service_name="a")}}, ["CT308"]),
    ({"config__" + TRACER: {"http": DATADOG}}, ["CT308", "CT308"]),
    (
        {
            **GRPC,
            **options(explicit_http_config={"http2_protocol_options": {}}),
            "config__" + TRACER: {"http": otlp(**SAMPLED)},
        },
        ["CT308"],
    ),
    ({"config__" + TRACER: None, "listener__provider": {**CONFIG[TRACER]["http"], "nme": 1}}, ["CT308"]),
]


@pytest.mark.parametrize(("edits", "expected"), ROWS, ids=range(len(ROWS)))
def test_findings_of_the_complete_entry_with_edits(edits: dict[str, Any], expected: list[str]) -> None:
    assert sorted(codes(findings([document(edited(**edits))]))) == expected


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ({"key": "authorization", "value": "x"}, ["value"]),
        ({"key": "authorization", "value": ""}, []),
        ({"key": "team", "value": "x"}, []),
        ({"PASSWORD": "x", "db_password": "x", "token": "x"}, ["PASSWORD", "db_password", "token"]),
        ({"password": "", "apiKey": "x", "tokens": "x", "passwordFile": "x", "brokentoken": "x"}, ["apiKey"]),
        (["x -----BEGIN RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"], ["0", "1"]),
        ({TRACER: "Bearer x{"}, [TRACER]),
        ({"a": "https://otel/@b", "b": "https://user:x@otel"}, ["b"]),
    ],
    ids=str,
)
def test_credentials_are_found_by_key_and_value(value: object, paths: list[str]) -> None:
    assert [".".join(issue.path) for issue in credential_issues(value)] == paths


def entry_codes(*entries: dict[str, Any]) -> list[str]:
    """Return the findings of entries in one file each, without those of the whole entry of the mesh."""
    return codes(check_texts({f"{number}.json": json.dumps(one) for number, one in enumerate(entries)}).findings)


MESH = {"Kind": "proxy-defaults", "Name": "global", "Config": edited()}
WEB = {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}
GATEWAY = {"Kind": "ingress-gateway", "Name": "edge"}
UNTRACED = {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}}
OWNERS = {"external-source": "kubernetes", "pulumi-stack": "a"}
PROXY = {"config": {"protocol": "http"}}
REGISTRATION = {"name": "web", "proxy": {"config": edited()}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{**MESH, "Name": ""}], []),
        ([{**MESH, "Name": "mesh"}], ["CT324"]),
        ([{**WEB, "Protocol": "GRPC"}], []),
        ([{**WEB, "Protocol": ""}], []),
        ([{**WEB, "Protocol": "https"}], ["CT332"]),
        ([{**MESH, "Meta": OWNERS}], ["CT327"]),
        ([{**MESH, "Meta": {"external-source": "kubernetes"}}], []),
        ([{**MESH, "Meta": {**OWNERS, "external-source": "nomad"}}], []),
        ([{**MESH, "Config": edited(**{"config__" + LISTENER: None})}, {"name": "web", "proxy": PROXY}], ["CT320"]),
        ([UNTRACED, GATEWAY], []),
        ([REGISTRATION, GATEWAY], []),
        ([GATEWAY, {**GATEWAY, "Listeners": []}], []),
        ([REGISTRATION, REGISTRATION | {"proxy": {"config": {"protocol": "http"}}}], []),
        ([{"name": "web", "proxy": {"config": {CLUSTERS: edited()[CLUSTERS]}}}], []),
        # Without one entry of the mesh, the tracer of a registration may have its clusters there.
        (
            [
                UNTRACED,
                {**UNTRACED, "Partition": "b"},
                {"name": "web", "proxy": {"config": {TRACER: edited()[TRACER]}}},
            ],
            [],
        ),
    ],
    ids=str,
)
def test_findings_of_entries_of_one_mesh(entries: list[dict[str, Any]], expected: list[str]) -> None:
    assert entry_codes(*entries) == expected


def test_reasons_name_what_the_reader_can_choose() -> None:
    (missing,) = findings([document(edited(**{"config__" + CLUSTERS: None}))])
    assert missing.issue.reason == f'is not a cluster of {CLUSTERS}: "zipkin"'
    (removed,) = findings([document(edited(http__name="envoy.lightstep", **{"tracer__@type": f"{TYPE}acme.Config"}))])
    assert removed.issue.reason == "is not supported since Envoy 1.24: acme.Config"
    gateways = [{**GATEWAY, "Name": f"edge-{number}"} for number in range(7)]
    found = check_texts({f"{n}.json": json.dumps(one) for n, one in enumerate([MESH, *gateways])}).findings
    assert found[0].issue.reason.endswith(": edge-0, edge-1, edge-2, edge-3, edge-4")


@pytest.mark.parametrize(
    ("edits", "envoy", "expected"),
    [
        ({"cluster__transport_socket_matcher": {}}, (1, 36), ["CT323"]),
        ({"cluster__transport_socket_matcher": {}}, (1, 37), []),
        ({"config__" + TRACER: None, "listener__provider": W3C}, (1, 34), ["CT323"]),
        ({"config__" + TRACER: None, "listener__provider": W3C}, (1, 36), []),
        ({"listener__custom_tags": [{**TAG, "value": "b"}]}, (1, 36), ["CT323", "CT339"]),
        ({"listener__custom_tags": [{**TAG, "value": "b"}]}, (1, 37), ["CT339"]),
        ({**GRPC, "cluster__http2_protocol_options": {}, "listener__random_sampling": {}}, (1, 34), ["CT321"]),
        ({**GRPC, "cluster__http2_protocol_options": {}, "listener__random_sampling": {}}, (1, 39), ["CT321", "CT337"]),
        ({**GRPC, "cluster__http2_protocol_options": {}, "listener__random_sampling": {"value": 100}}, (1, 40), []),
    ],
    ids=str,
)
def test_findings_depend_on_the_oldest_envoy(edits: dict[str, Any], envoy: Any, expected: list[str]) -> None:
    assert codes(findings([document(edited(**edits))], Releases(envoy))) == expected


RATIO = {"typed_config": {"@type": "TraceIdRatioBasedSamplerConfig", "sampling_percentage": {"numerator": 5}}}


@pytest.mark.parametrize(
    ("listener", "sampler", "expected"),
    [
        ({}, None, 100),
        ({"random_sampling": {}}, None, 0),
        ({"random_sampling": {"value": 7}, "overall_sampling": {"value": 3}}, None, 3),
        ({}, RATIO, 5),
        ({}, {"typed_config": {"@type": "ParentBasedSamplerConfig", "wrapped_sampler": RATIO}}, 5),
    ],
)
def test_sampled_percentage_is_the_lowest_rate(listener: Any, sampler: Any, expected: float) -> None:
    tracer = {"http": otlp(sampler=sampler)} if sampler else {}
    assert sampled_percent(ProxyConfig(tracer, listener)) == expected


def fake_consul(answers: dict[str, Any]) -> Any:
    """Return a client of a Consul with these answers, by path and filter."""
    return SimpleNamespace(address="consul", get=lambda path, _, **query: answers.get(path + "".join(query.values())))


def test_registrations_of_proxies_of_an_agent_are_read() -> None:
    services = {
        name: {"Kind": kind, "Service": name, "Proxy": {"Config": config}}
        for name, kind, config in (
            ("web-proxy", "connect-proxy", {TRACER: "{}"}),
            ("web", "", {TRACER: "{}"}),
            ("db-proxy", "connect-proxy", {}),
        )
    }
    answers = {"/v1/agent/services": services, "/v1/config/service-defaults": [WEB]}
    assert [(one.kind, one.name) for one in consul_documents(fake_consul(answers))] == [
        ("service-defaults", "web"),
        ("registration", "web-proxy"),
    ]


def test_services_of_the_catalog_are_those_without_proxies_and_consul() -> None:
    names = {"consul": [], "web": [], "db": []}
    assert catalog_services(fake_consul({'/v1/catalog/servicesServiceKind == ""': names})) == ["db", "web"]


def test_cluster_may_lack_gateways_only() -> None:
    def objects(kind: str, _: str | None) -> list[Any]:
        if kind in missing:
            raise MissingKindError(kind)
        return []

    cluster = cast("Any", SimpleNamespace(objects=objects))
    missing = {"api-gateway", "ingress-gateway"}
    assert documents_in(cluster, None) == []
    missing = {"service-defaults"}
    with pytest.raises(MissingKindError):
        documents_in(cluster, None)


@pytest.mark.parametrize(
    ("config", "declared", "services", "reasons"),
    [
        ({"protocol": "http"}, {"web": ""}, ["web"], ['is "http" for services without an entry: web']),
        (
            {"Protocol": "HTTP"},
            {"web": "http"},
            ["web", "db", "cache"],
            ['is "http" for services without an entry: cache, db'],
        ),
        ({"protocol": "tcp"}, {"web": "HTTP"}, ["web", "db"], []),
        (None, {"web": "tcp"}, ["web"], []),
        ({}, {"web": "tcp"}, ["web"], ["no service has the protocol http, http2 or grpc"]),
        (
            {"protocol": "http"},
            {},
            [f"s{number}" for number in range(10)],
            [f'is "http" for services without an entry: {", ".join(f"s{number}" for number in range(10))}'],
        ),
    ],
)
def test_findings_about_live_services(
    config: Any, declared: dict[str, str], services: list[str], reasons: list[str]
) -> None:
    entries = [{**WEB, "Name": name, "Protocol": protocol} for name, protocol in declared.items()]
    documents = [*read_documents(json.dumps(entries), "a.json"), *([] if config is None else [document(config)])]
    assert [one.issue.reason for one in service_findings(documents, services, "consul")] == reasons


def test_live_finding_has_no_line_and_information_no_fix() -> None:
    (found,) = service_findings([document({})], ["db"], "consul")
    (result,) = json.loads(as_sarif([found]))["runs"][0]["results"]
    assert result["locations"] == [{"logicalLocations": [{"name": "services", "kind": "resource"}]}]
    (template,) = lint('{{ include "mesh" . }}', "yaml")
    assert list(map(str, as_text(Checked([template], {"example.yaml": 0})))) == [
        f"example.yaml:1: info CT330: {template.issue.reason}",
        "1 value not checked. Checked: 1 file without entries",
    ]
    assert "--fix" not in str(list(as_text(Checked([found])))[1])


def test_file_without_braces_that_cannot_be_read_is_an_error() -> None:
    (found,) = lint("consul: [", "yaml")
    assert (found.code, found.issue.reason[:15]) == ("CT336", found.issue.reason[:15])
    assert "template" not in found.issue.reason


def test_files_of_a_directory_are_those_in_which_entries_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.hcl", "b/c.yaml", "d.txt", ".terraform/a/b.tf", "node_modules/a.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    (tmp_path / "e.json").mkdir()
    root = str(tmp_path)
    assert selected([root]) == {root: [str(tmp_path / name) for name in ("a.hcl", "b/c.yaml")]}
    (tmp_path / "-").mkdir()
    monkeypatch.chdir(tmp_path)
    assert selected(["d.txt", "-"]) == {"d.txt": ["d.txt"], "-": ["-"]}
    with pytest.raises(CommandError, match="--fix requires files"):
        lint_command(files=["-"], fix=True)


A, B = (json.dumps(json.dumps({"name": name})) for name in "ab")
KEY = "envoy_extra_static_clusters_json"


LAST = "is set more than once. Consul uses the last value"


@pytest.mark.parametrize(
    ("config", "line", "reason"),
    [
        (f"Config {{\n{KEY} = {A}\n{KEY} = {B}\n}}", 5, LAST),
        (f"Config {{\n{KEY} = {A}\n}}\nConfig {{\n{KEY} = {B}\n}}", 7, LAST),
        (f"Config {{\n{KEY.title()} = {A}\n{KEY} = {B}\n}}", 4, f'is also set as "{KEY}". Consul uses the other one'),
        (
            f"Config {{\nProtocol = {A}\nPROTOCOL = {B}\n}}",
            5,
            'is also set as "Protocol". Consul uses one or the other',
        ),
        ("Config {\nother = 1\nOther = 2\n}", None, None),
    ],
)
def test_key_that_is_set_more_than_once_is_reported(config: str, line: int | None, reason: str | None) -> None:
    found = lint(f'Kind = "proxy-defaults"\nName = "global"\n{config}')
    assert [(one.line, one.issue.reason) for one in found if one.code == "CT354"] == ([(line, reason)] if line else [])


def test_key_that_is_set_twice_in_yaml_and_json_is_reported_and_the_last_value_is_checked() -> None:
    head = (
        "apiVersion: consul.hashicorp.com/v1alpha1\nkind: ProxyDefaults\nmetadata: {name: global}\nspec:\n  config:\n"
    )
    assert codes(lint(f"{head}spec:\n  config:\n    {KEY}: {A}\n    {KEY}: {B}\n", "yaml")) == ["CT354"]
    twice = f'{{"Kind": "proxy-defaults", "Name": "global", "Config": {{"{KEY}": {A}, "{KEY}": {B}}}}}'
    assert codes(lint(twice, "json")) == ["CT354"]
    config = {TRACER: json.dumps(CONFIG[TRACER]), TRACER.title(): "{", LISTENER: json.dumps(CONFIG[LISTENER])}
    assert proxy_config(config).tracer == CONFIG[TRACER]


def test_line_in_a_single_cluster_is_reported() -> None:
    text = COMPLETE.replace('"name": "zipkin"', '"name": "local_app"')
    line = text.splitlines().index('  "name": "local_app",') + 1
    assert [one.line for one in lint(text, FORM) if one.code == "CT311"] == [line]


def test_fix_of_a_v1_path_has_no_slash_at_its_end() -> None:
    (found,) = findings([document(edited(tracer__collector_endpoint="/api/v1/spans/"))])
    assert found.issue.replacement == ("/api/v1/spans/", "/api/v2/spans")


@pytest.mark.parametrize(("text", "expected"), [("a\nb a a", "a\nb c a"), ("b\na", "b\nc"), ("a\nb", "a\nb")])
def test_fix_starts_at_the_line_of_its_finding(text: str, expected: str) -> None:
    def one_finding(current: str) -> list[Finding]:
        issue = Issue("CT307", (), "reason", replacement=("a", "c"))
        return [] if current == expected != text else [Finding(issue, "file", 2, "entry")]

    assert fixed(text, one_finding(text), one_finding)[0] == expected


def test_fix_that_causes_an_error_is_neither_written_nor_promised() -> None:
    tracer = edited(tracer__collector_cluster="other")[TRACER]
    registration = {"name": "web", "proxy": {"config": {"envoy_tracing_jso": tracer}}}
    texts = {"mesh.json": json.dumps(MESH), "web.json": json.dumps(registration)}
    checked = check_texts(texts)
    assert (codes(checked.findings), checked.changes) == (["CT325"], {})
    assert checked.findings[0].issue.replacement is None


def test_fields_that_the_next_write_of_the_provider_drops() -> None:
    new = {"Kind": "proxy-defaults", "Name": "global", "Future": {}, "MeshGateway": {"Mode": "local"}, "Hash": 1}
    entries = [
        {**WEB, "MaxRequestHeadersKB": 96, "CreateIndex": 1, "Meta": {"team": "a"}},
        {**WEB, "Name": "k8s", "MaxRequestHeadersKB": 96, "Meta": {"external-source": "kubernetes"}},
        {"Kind": "ingress-gateway", "Name": "edge", "Future": 1},
        new,
    ]
    documents = documents_of(entries, "http://consul")
    found = [(one.entry, one.issue.path) for one in dropped_findings(documents)]
    assert found == [("service-defaults/web", ("MaxRequestHeadersKB",)), ("proxy-defaults/global", ("Future",))]
    assert [one.code for one in findings(documents)] == []


def test_dropped_field_is_a_note_with_a_fix() -> None:
    (found,) = dropped_findings(documents_of([{**WEB, "MaxRequestHeadersKB": 96}], "http://consul"))
    lines = list(map(str, as_text(Checked([found], live={"Consul": 1}))))
    assert lines[0].startswith("service-defaults/web: info CT360: MaxRequestHeadersKB is dropped when")
    assert lines[1].startswith("  Fix: Do not declare this service")
    assert lines[-1] == "1 note. Checked: 1 entry in Consul"
