"""The text of every code, as one golden file. `CONSUL_TRACING_UPDATE_GOLDEN=1` writes it."""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pytest

from consul_tracing import MeshTracing
from consul_tracing.backends.access_logs import unknown_field_text
from consul_tracing.backends.identity import lost_entries_text
from consul_tracing.backends.kubernetes import sdk
from consul_tracing.backends.kubernetes.access import MissingKindError
from consul_tracing.backends.kubernetes.backend import KubernetesBackend
from consul_tracing.backends.kubernetes.objects import (
    MIGRATION_STEPS,
    ObjectPatch,
    WholeObject,
    conflicting_entries,
    reject_second_mesh,
)
from consul_tracing.backends.kubernetes.sync import Sync, sync_error_text
from consul_tracing.backends.live import Planned
from consul_tracing.backends.write_guard import changed_text
from consul_tracing.cli.importing.losses import assumed_version
from consul_tracing.cli.importing.recovery import recover
from consul_tracing.cli.render.output import read_settings
from consul_tracing.cli.render.rendering import RenderError, as_hcl, as_json
from consul_tracing.cli.verify.diagnosis import diagnose
from consul_tracing.cli.verify.report import cause_text
from consul_tracing.codes import CODES
from consul_tracing.entries.bodies import proxy_defaults
from consul_tracing.entries.entry import Entry
from consul_tracing.entries.ownership import Plan, Policy
from consul_tracing.errors import CommandError, message
from consul_tracing.files.documents import read_documents
from consul_tracing.inputs.warnings import setting_warnings
from consul_tracing.severities import INFORMATION
from tests.plan_story import GOLDEN
from tests.unit.cli.verify.every_cause import EVIDENCE
from tests.unit.inputs.test_tracers import listener, manager
from tests.unit.meshes import mesh, settings
from tests.unit.mocked_engine import Engine
from tests.unit.zipkin_collectors import settings as zipkin_settings

OWNED = {"managed-by": "pulumi", "pulumi-stack": "organization/mesh/test"}
FOREIGN = {"Config": {"envoy_listener_tracing_json": '{"random_sampling":{"value":7}}', "other": 1}}
WEB = {"web": {"protocol": "http"}}
ZIPKIN = proxy_defaults(settings()).body
ZIPKIN_W3C = proxy_defaults(settings(tracer={"zipkin": {"propagation": "b3+w3c"}}, envoy_version="1.36")).body
WITH_INTENTIONS = {"Protocol": "http", "Meta": OWNED, "Sources": [{"Permissions": [{"Action": "allow"}]}]}
"""An entry that the mock returns for every kind."""
OTLP = {**proxy_defaults(settings(tracer={"opentelemetry": {}})).body, "Meta": OWNED}
URN = "urn:pulumi:test::mesh::consul:index/configEntry:ConfigEntry::"
ON_KUBERNETES = proxy_defaults(settings(target="kubernetes"))
SYNC_ERRORS = {
    "ExternallyManagedConfigError": "config entry already exists in Consul",
    "MigrationFailedError": "migration failed: Kubernetes resource does not match existing Consul config entry: "
    "consul={…}, kube={…}",
    "ConsulAgentError": "dial tcp 10.0.0.5:8500: connect: connection refused",
}
"""Statuses of consul-k8s."""
CODE = re.compile(r"\bCT\d{3}\b")
POLICY = Policy("overwrite", "acme/mesh/prod")


def declare(**args: Any) -> Callable[[], object]:
    return lambda: MeshTracing("mesh", mesh(**{"services": WEB, **args}))


MEMORY = {"storage": {"memory": {"max_spans": 500_000}}}
UNENCRYPTED = {
    "storage": {"elasticsearch": {"hosts": ["http://es.example.com:9200"], "credentials_secret": "es"}},
    "ingress": {"host": "zipkin.example.com", "path": "/", "tls": False},
}
EXPOSED = {"service": {"type": "LoadBalancer"}}
UNVERIFIED = {"storage": {"elasticsearch": {"hosts": ["https://es.example.com:9200"], "verify_certificate": False}}}

ON_CONSUL: list[tuple[Callable[[], object], Any, bool]] = [
    (declare(sampling={"random": 200}), {}, False),
    (lambda: MeshTracing("mesh", mesh(collector={"host": pulumi.Output.secret("hidden")})), {}, False),
    (declare(), {"global": FOREIGN, "web": {"Protocol": "tcp"}}, False),
    (declare(), {"global": {**FOREIGN, "Meta": {**OWNED, "pulumi-stack": "acme/mesh/prod"}}}, False),
    (declare(), {"global": {"Meta": {"external-source": "kubernetes"}}}, False),
    (declare(existing="adopt"), {"global": {"Config": {"envoy_extra_static_clusters_json": "{"}}}, False),
    (declare(), "connection refused", False),
    (declare(), "connection refused", True),
    (declare(gateways="skip"), {}, False),
    (declare(tracer={"opentelemetry": {}}), {"global": {**ZIPKIN, "Meta": OWNED}}, False),
    (declare(access_logs={"trace_id": True}, existing="adopt"), {"global": {"AccessLogs": {"TextFormat": "x"}}}, False),
    (declare(existing="adopt"), {"global": FOREIGN}, False),
    (declare(existing="overwrite"), {"global": FOREIGN}, False),
    (declare(), {"global": {**FOREIGN, "Meta": OWNED}}, False),
    (declare(release=True), {}, False),
    (declare(default_protocol="http", tcp_services=[]), {}, False),
    (declare(enabled=False), {}, False),
    (declare(services={}), {}, False),
    (declare(tracer={"opentelemetry": {}}, services={"a,b": {"protocol": "http"}}), {}, False),
    (declare(collector={"host": "localhost"}), {}, False),
    (declare(tracer={"opentelemetry": {"service_name": "mesh"}}, gateways="skip"), {"global": OTLP}, False),
    (declare(tracer={"opentelemetry": {"service_name": "mesh"}}), {"global": {**ZIPKIN_W3C, "Meta": OWNED}}, False),
    (declare(services={"web": {"protocol": "tcp"}}), {"web": WITH_INTENTIONS}, False),
    (declare(sampling={"random": 0.05}), {}, False),
    (declare(proxy_config={"envoy_bootstrap_json_tpl": "{}"}), {}, False),
    (declare(sampling={"random": 0, "client": 12.5}), {}, False),
    (declare(static_clusters=[{"name": "a", "http4_options": {}}]), {}, False),
    (declare(collector={"host": "zipkin.virtual.consul", "port": 4318}), {}, False),
    (declare(collector={"host": "otlp", "auth": {"file": "/etc/token"}}, envoy_version="1.36"), {}, False),
    (declare(proxy_config={"envoy_public_listener_json": json.dumps(listener(manager()))}), {}, False),
    (declare(services={"web": {"protocol": "http", "service_defaults": {"MaxRequestHeadersKB": 96}}}), {}, False),
    (declare(services={**WEB, "redsi": {"protocol": "tcp"}, "orders": {"protocol": "http"}}), {}, False),
    (declare(enabled=False, proxy_config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"}), {}, False),
]
"""Programs on Consul's API, with the live entries (or the error of the look-up), and whether it is a preview."""


def drifted(engine: Engine) -> None:
    engine.run(declare())
    component = "urn:pulumi:test::mesh::pulumi:pulumi:Stack$consul-tracing:index:MeshTracing"
    urn = f"{component}$consul:index/configEntry:ConfigEntry::mesh-service-web"
    engine.state = {urn: dict(engine.registered["mesh-service-web"].inputs)}
    engine.live = {"global": engine.entry("mesh-proxy-defaults")}
    engine.run(declare())


def relied_upon(engine: Engine) -> None:
    """Lower a protocol on which an entry of the same stack relies."""
    engine.live = {"web": WITH_INTENTIONS}
    kinds = ("service-router", "service-intentions")
    engine.state = {f"{URN}{kind}": {"kind": kind, "name": "web"} for kind in kinds}
    engine.run(declare(services={"web": {"protocol": "tcp"}}))


def failing(engine: Engine, check: Callable[[], object]) -> str:
    """The message of a check that raises an error."""
    with pytest.raises(pulumi.RunError) as raised:
        engine.run(check)
    return str(raised.value)


def kubernetes_texts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setitem(__import__("sys").modules, "kubernetes", None)
    yield failing(engine, lambda: sdk.kubernetes_sdk("ZipkinCollector"))
    monkeypatch.undo()
    yield lost_entries_text({"service-defaults/a": [f"{URN}a"], "service-defaults/b": [f"{URN}b"]})
    yield from setting_warnings(settings(target="kubernetes", services=WEB), single_machine=False)
    (text,) = conflicting_entries({"proxy-defaults/global": {"Config": {}}})
    yield message("CT209", text, *MIGRATION_STEPS)
    other = {"metadata": {"name": "global", "namespace": "team-a"}}
    yield failing(engine, lambda: reject_second_mesh([other], "consul"))
    held = {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:config": {"f:envoy_tracing_json": {}}}}}
    live = {"metadata": {"managedFields": [held]}, "spec": {"config": {"envoy_tracing_json": "{}"}}}
    off = proxy_defaults(settings(target="kubernetes", enabled=False))
    yield failing(engine, lambda: ObjectPatch(object=live).reject_unremovable(off, Plan()))

    def overwrite() -> None:
        component = pulumi.ComponentResource("test:index:Mesh", "mesh")
        backend = KubernetesBackend(component, POLICY, settings(target="kubernetes"))
        backend.reject_unwritable([Planned("mesh-proxy-defaults", "", ON_KUBERNETES, WholeObject(), Plan("unmanaged"))])

    yield failing(engine, overwrite)
    yield changed_text(ON_KUBERNETES)
    yield unknown_field_text("ProxyDefaults consul/global")
    yield str(MissingKindError("proxy-defaults"))
    for reason, text in SYNC_ERRORS.items():
        yield sync_error_text("ProxyDefaults consul/global", ON_KUBERNETES, Sync("waiting", reason, text), 120)
    for command in (
        lambda: read_settings(None, None, {}, {}),
        lambda: as_hcl(Entry("proxy-defaults", "global", {"a": None})),
    ):
        with pytest.raises((CommandError, RenderError)) as error:
            command()
        yield str(error.value)
    entry = '{"Kind": "proxy-defaults", "Name": "global", "Config": {"envoy_stats_config_json": "{"}}'
    yield from recover(read_documents(entry, "mesh.json")).losses
    assumed = as_json(proxy_defaults(settings(tracer={"opentelemetry": {}}, envoy_version="1.34")))
    yield from assumed_version(recover(read_documents(assumed, "mesh.json")).inputs)
    for args in (MEMORY, UNENCRYPTED, EXPOSED, UNVERIFIED):
        yield from zipkin_settings(**args).warnings()
    for facts in EVIDENCE.values():
        yield from map(cause_text, diagnose(facts))


def test_text_of_every_code(engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO)
    texts: list[str] = []
    for program, live, preview in ON_CONSUL:
        engine.live, engine.state = live, {}
        try:
            engine.run(program, preview=preview)
        except pulumi.RunError as error:
            texts.append(str(error))
    engine.live = {}
    drifted(engine)
    relied_upon(engine)
    engine.live, engine.state = {}, {}
    texts += [record.message for record in caplog.records]
    texts += kubernetes_texts(engine, monkeypatch)
    by_code: dict[str, str] = {}
    for text in texts:
        for part in re.split(r"\n(?=consul-tracing: CT)", text):
            if found := re.match(r"consul-tracing: (CT\d{3}): ", part):
                by_code.setdefault(found[1], part)
    levels = {(found[0], one.levelname) for one in caplog.records if (found := CODE.search(one.message))}
    warned = {code for code, level in levels if level == "WARNING"}
    assert {code for code, level in levels if level == "INFO"} - warned == INFORMATION - {"CT330", "CT360"}
    golden, file = "\n\n".join(by_code[code] for code in sorted(by_code)) + "\n", GOLDEN / "messages.txt"
    if os.environ.get("CONSUL_TRACING_UPDATE_GOLDEN"):
        file.write_text(golden)
    # lint/examples.md has examples of CT3xx.
    elsewhere = {code for code in CODES if code.startswith("CT3")}
    assert CODES.keys() - elsewhere == by_code.keys()
    assert golden == file.read_text()
