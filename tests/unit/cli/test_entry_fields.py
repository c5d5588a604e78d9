"""Kinds, API versions and fields that Consul refuses or Kubernetes removes."""

from textwrap import dedent

import pytest

from consul_tracing.files.documents import read_file
from tests.unit.cli.test_lint import codes, lint

HEAD = "apiVersion: consul.hashicorp.com/v1alpha1\nkind: ProxyDefaults\nmetadata: {name: global}\n"


@pytest.mark.parametrize(
    ("form", "text", "code", "line", "reason"),
    [
        ("yaml", f"{HEAD}spec:\n  envoy_tracing_json: '{{}}'", "CT352", 5, "must be in spec.config, one level deep"),
        ("yaml", f"{HEAD}spec: {{protocol: http}}", "CT352", 4, "must be in spec.config"),
        ("yaml", f"{HEAD}config: {{protocol: http}}", "CT352", 4, "must be in spec"),
        ("yaml", f"{HEAD}spec: {{Config: {{protocol: http}}}}", "CT352", 4, 'did you mean "config"?'),
        ("yaml", f"{HEAD}spec: {{meshGateway: {{mod: local}}}}", "CT352", 4, 'did you mean "mode"?'),
        ("yaml", HEAD.replace("Defaults", "Default"), "CT351", 2, 'did you mean "ProxyDefaults"?'),
        ("yaml", HEAD.replace("ProxyDefaults", "proxy-defaults"), "CT351", 2, 'did you mean "ProxyDefaults"?'),
        ("yaml", HEAD.replace("v1alpha1", "v1"), "CT351", 1, "com/v1alpha1"),
        ("yaml", HEAD.replace("hashicorp", "hashicrop"), "CT351", 1, "com/v1alpha1"),
        ("json", '{"Kind": "ProxyDefaults", "Name": "global"}', "CT351", 1, 'did you mean "proxy-defaults"?'),
        ("hcl", 'Kind = "proxy-default"\nName = "global"', "CT351", 1, 'did you mean "proxy-defaults"?'),
        ("hcl", 'Name = "global"\nConfig { protocol = "http" }', "CT351", 1, "is required"),
        ("hcl", 'Kind = "envoy"\nName = "global"', "CT351", 1, 'must be a kind of Consul, got "envoy"'),
        ("hcl", 'Kind = "service-defaults"\nName = "web"\nProtocl = "http"', "CT352", 3, 'did you mean "Protocol"?'),
        ("hcl", 'Kind = "proxy-defaults"\nName = "global"\nConfg { protocol = "http" }', "CT352", 3, '"Config"?'),
        ("hcl", 'Kind = "proxy-defaults"\nName = "global"\nenvoy_tracing_json = "{}"', "CT352", 3, "must be in Config"),
        ("hcl", 'Kind = "service-defaults"\nName = "web"\nMeta { a { b = 1 } }', "CT352", 3, "must be text, got a map"),
        ("hcl", 'Kind = "proxy-defaults"\nName = "global"\nMeshGateway = "local"', "CT352", 3, "must be a map"),
        ("hcl", 'Kind = "service-router"\nName = "web"\nRouts = []', "CT352", 3, 'did you mean "Routes"?'),
        (
            "hcl",
            'Kind = "service-defaults"\nName = "a"\nUpstreamConfig { Defaults { Protocl = "http" } }',
            "CT352",
            3,
            "is not a field of service-defaults.UpstreamConfig.Defaults",
        ),
        (
            "hcl",
            'Kind = "proxy-defaults"\nName = "global"\nMeshGateway { Mode = "local" }\nMeshGateway { Mode = "none" }',
            "CT352",
            3,
            "must be one block",
        ),
    ],
)
def test_unknown_kind_or_field_is_an_error_with_a_suggestion(
    form: str, text: str, code: str, line: int, reason: str
) -> None:
    found = next(one for one in lint(text, form) if one.code in {"CT351", "CT352"})
    assert (found.code, found.line, found.severity) == (code, line, "error")
    assert reason in found.issue.reason


@pytest.mark.parametrize(
    "text",
    [
        'kind = "proxy-defaults"\nname = "global"\nmesh_gateway { mode = "local" }\nEXPOSE { checks = false }',
        'Kind = "proxy-defaults"\nName = "global"\nConfig { a = 1 }\nConfig { b = 2 }\nMeta { a = 1 }\nMeta { b = 2 }',
        'Kind = "service-intentions"\nName = "web"\nSources = [{ name = "a" Action = "allow" }]',
    ],
)
def test_fields_in_any_case_and_of_other_kinds_are_known(text: str) -> None:
    assert codes(lint(text)) == []


@pytest.mark.parametrize("kind", ["PeeringAcceptor", "JWTProvider", "ServiceIntentions", "GatewayClassConfig"])
def test_other_custom_resources_of_consul_are_known(kind: str) -> None:
    assert lint(f"{HEAD.replace('ProxyDefaults', kind)}spec: {{a: b}}", "yaml") == []


def test_other_groups_of_consul_are_no_entries() -> None:
    text = dedent("""
        apiVersion: mesh.consul.hashicorp.com/v2beta1
        kind: HTTPRoute
        metadata: {name: a}
        spec: {a: b}
    """)
    assert read_file(text, "a.yaml").documents == []
