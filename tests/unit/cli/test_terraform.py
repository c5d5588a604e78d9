"""Entries as resources of Terraform: `consul-tracing render --as terraform`."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from consul_tracing.cli.importing.recovery import recover
from consul_tracing.cli.render.rendering import entries_of_consul, entry_fields
from consul_tracing.cli.render.terraform import as_terraform
from consul_tracing.files.documents import read_documents
from consul_tracing.lint.checks import check_texts
from consul_tracing.lint.meaning import meaning_differences, mesh_meaning
from tests.unit.meshes import MESHES, settings

GOLDEN = Path(__file__).parents[2] / "golden" / "terraform.tf"

EVERYTHING: dict[str, Any] = {
    "collector": {"host": "otel.example.com", "tls": {"ca_file": "/etc/ssl/ca.pem"}},
    "tracer": {"opentelemetry": {"service_name": "mesh", "headers": {"x-tenant": "a"}}},
    "sampling": {"random": 0.29},
    "envoy_version": "1.36",
    "tags": {"zone": {"environment": "ZONE", "default": "none"}, "price": {"literal": 'a "${b}" %{c}'}},
    "services": {"web": {"protocol": "http", "service_defaults": {"LocalRequestTimeoutMs": 5}}},
    "default_protocol": "http",
    "tcp_services": ["db"],
    "proxy_config": {"envoy_prometheus_bind_addr": "0.0.0.0:9102"},
    "proxy_defaults": {"AccessLogs": {"Enabled": True}, "MeshGateway": {"Mode": "local"}},
}


def test_terraform_matches_the_golden_file() -> None:
    """`CONSUL_TRACING_UPDATE_GOLDEN=1` writes it."""
    text = as_terraform(settings(**EVERYTHING))
    if os.environ.get("CONSUL_TRACING_UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_lint_has_no_findings_and_import_reads_the_settings_back() -> None:
    text = as_terraform(settings(**EVERYTHING))
    assert [str(one.issue) for one in check_texts({"mesh.tf": text}).findings] == []
    inputs, losses = recover(read_documents(text, "mesh.tf"))
    assert losses == []
    assert inputs.pop("existing") == "adopt"
    assert settings(**inputs) == settings(**{**EVERYTHING, "envoy_version": inputs["envoy_version"]})


@given(MESHES)
def test_terraform_has_the_meaning_of_the_entries(args: dict[str, Any]) -> None:
    mesh = settings(**args)
    documents = read_documents(as_terraform(mesh), "mesh.tf")
    entries = {(one.kind, one.name): entry_fields(one) for one in entries_of_consul(mesh)}
    assert entries.keys() == {(one.kind, one.name) for one in documents}
    for document in documents:
        old = entries[document.kind, document.name]
        differing = meaning_differences(
            mesh_meaning({key: value for key, value in old.items() if key not in {"Kind", "Name"}}),
            mesh_meaning(document.fields),
        )
        assert list(differing) == []


def test_services_of_one_name_have_resources_of_their_own() -> None:
    names = {"a": ("web.a", "x"), "b": ("web.a", "y"), "c": ("web_a", "x")}
    services = {
        key: {"protocol": "http", "name": name, "namespace": namespace} for key, (name, namespace) in names.items()
    }
    text = as_terraform(settings(services=services))
    labels = [line for line in text.splitlines() if line.startswith("resource")]
    assert labels == [
        'resource "consul_config_entry" "service_defaults_web_a" {',
        'resource "consul_config_entry" "service_defaults_web_a_2" {',
        'resource "consul_config_entry" "service_defaults_web_a_3" {',
        'resource "consul_config_entry" "proxy_defaults_global" {',
    ]
    assert [one.fields.get("Namespace") for one in read_documents(text, "mesh.tf")] == ["x", "y", "x", None]


def test_several_clusters_are_text() -> None:
    """Consul inserts the text between brackets, so that it is not one JSON value."""
    text = as_terraform(settings(static_clusters=[{"name": "b", "type": "STRICT_DNS", "connect_timeout": "1s"}]))
    assert 'envoy_extra_static_clusters_json = "{\\"connect_timeout\\"' in text
    assert check_texts({"mesh.tf": text}).findings == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("${a} %{b} $${c}", '"$${a} %%{b} $$${c}"'),
        ('"\\\n\x08\u2028', '"\\"\\\\\\n\\u0008\u2028"'),
        ({"for": 1, "a-b": None, "c d": [], "true": {}}, '"for"'),
    ],
)
def test_texts_and_keys_are_escaped_for_terraform(value: Any, shown: str) -> None:
    text = as_terraform(settings(proxy_config={"x": value}))
    assert shown in text
    (document,) = read_documents(text, "mesh.tf")
    assert document.fields["Config"]["x"] == value
