"""Outputs as inputs: natural lines of programs, in previews that do not know them and in updates."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from consul_tracing import InvalidInputError, MeshTracing, ServiceProtocols, ZipkinCollector
from tests.unit.mocked_engine import Engine

UNKNOWN = pulumi.output.Unknown


def late(value: Any, *, preview: bool) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(UNKNOWN() if preview else value).apply(lambda known: known)


def namespace_secret_zipkin_and_mesh() -> None:
    namespace = kubernetes.core.v1.Namespace("tracing")
    secret = kubernetes.core.v1.Secret("elastic", metadata={"namespace": namespace.metadata.name})
    zipkin = ZipkinCollector(
        "zipkin",
        namespace=namespace.metadata.name,
        storage={"elasticsearch": {"hosts": ["https://es:9200"], "credentials_secret": secret.metadata.name}},
    )
    MeshTracing("mesh", collector=zipkin, services={"web": {"protocol": "http"}})
    MeshTracing("other", collector={"host": zipkin.host, "port": zipkin.port}, partition="other")


class NamingEngine(Engine):
    """Names objects as the Kubernetes provider does: in an update only."""

    def __init__(self, *, is_preview: bool) -> None:
        super().__init__()
        self.is_preview = is_preview

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        identity, outputs = super().new_resource(args)
        if args.typ.startswith("kubernetes:core/v1:"):
            name = UNKNOWN() if self.is_preview else f"{args.name}-1a2b"
            outputs["metadata"] = {**outputs.get("metadata", {}), "name": name}
        return identity, outputs


def test_namespace_secret_zipkin_and_mesh_in_one_program() -> None:
    engine = NamingEngine(is_preview=False)
    engine.run(namespace_secret_zipkin_and_mesh)
    deployment = engine.registered["zipkin-deployment"].inputs
    assert deployment["metadata"]["namespace"] == "tracing-1a2b"
    assert '"name": "elastic-1a2b"' in str(deployment).replace("'", '"')
    for mesh in ("mesh", "other"):
        clusters = engine.entry(f"{mesh}-proxy-defaults")["Config"]["envoy_extra_static_clusters_json"]
        assert '"address":"zipkin.tracing-1a2b.svc.cluster.local"' in clusters
        assert '"port_value":9411' in clusters


def test_preview_of_the_same_program_has_unknown_values() -> None:
    engine = NamingEngine(is_preview=True)
    engine.run(namespace_secret_zipkin_and_mesh, preview=True)
    deployment = engine.registered["zipkin-deployment"].inputs
    assert isinstance(deployment["metadata"]["namespace"], UNKNOWN)
    assert isinstance(engine.registered["mesh-proxy-defaults"].inputs["configJson"], UNKNOWN)
    assert "unresolved" not in str([one.inputs for one in engine.registered.values()])


def test_url_of_zipkin_waits_for_zipkin(engine: Engine) -> None:
    seen: list[set[str]] = []

    def program() -> None:
        ZipkinCollector("zipkin").url.apply(lambda _: seen.append(set(engine.registered)))

    engine.run(program)
    assert {"zipkin-deployment", "zipkin-service"} <= seen[0]


VALUES: dict[str, Callable[[Any], Any]] = {
    "host": lambda value: MeshTracing("x", collector={"host": value("zipkin")}),
    "port": lambda value: MeshTracing("x", collector={"host": "zipkin", "port": value(9000)}),
    "certificate": lambda value: MeshTracing("x", collector={"host": "z", "tls": {"ca_file": value("/etc/ca.pem")}}),
    "tag": lambda value: MeshTracing("x", collector={"host": "z"}, tags={"region": {"literal": value("eu")}}),
    "attribute": lambda value: MeshTracing(
        "x",
        collector={"host": "z"},
        envoy_version="1.36",
        tracer={"opentelemetry": {"resource_attributes": {"region": value("eu")}}},
    ),
    "image": lambda value: ZipkinCollector("x", image=value("registry.example/zipkin:3")),
    "hosts": lambda value: ZipkinCollector("x", storage={"elasticsearch": {"hosts": [value("https://es:9200")]}}),
    "ingress": lambda value: ZipkinCollector("x", ingress={"host": value("zipkin.example.com"), "tls": False}),
    "labels": lambda value: ZipkinCollector("x", labels={"team": value("mesh")}),
    "network policy": lambda value: ZipkinCollector(
        "x",
        network_policy={},
        storage={"elasticsearch": {"hosts": [value("https://es:9200")]}},
    ),
}


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("declare", VALUES.values(), ids=VALUES)
def test_value_of_an_input_may_be_an_output(engine: Engine, declare: Callable[[Any], Any], *, preview: bool) -> None:
    engine.run(lambda: declare(lambda value: late(value, preview=preview)), preview=preview)
    assert "unresolved" not in str([one.inputs for one in engine.registered.values()])
    assert len(engine.registered) > 1


DECISIONS: dict[str, Callable[[Any], Any]] = {
    "envoy_version": lambda value: MeshTracing("x", collector={"host": "z"}, envoy_version=value("1.36")),
    "release": lambda value: MeshTracing("x", collector={"host": "z"}, release=value(bool(1))),
    "existing": lambda value: MeshTracing("x", collector={"host": "z"}, existing=value("adopt")),
    "sampling.random": lambda value: MeshTracing("x", collector={"host": "z"}, sampling={"random": value(1.0)}),
    "services.web.name": lambda value: ServiceProtocols(
        "x", services={"web": {"protocol": "http", "name": value("w")}}
    ),
    "services.web": lambda value: ServiceProtocols("x", services={"web": value({"protocol": "http"})}),
}


@pytest.mark.parametrize("path", DECISIONS)
def test_value_that_decides_what_is_declared_must_be_known_in_a_preview(engine: Engine, path: str) -> None:
    engine.run(lambda: DECISIONS[path](lambda value: late(value, preview=False)))
    with pytest.raises(InvalidInputError) as error:
        Engine().run(lambda: DECISIONS[path](lambda value: late(value, preview=True)), preview=True)
    assert f"  {path}: must be known in the preview" in str(error.value)


def test_all_inputs_may_be_one_output(engine: Engine) -> None:
    engine.run(lambda: MeshTracing("mesh", late({"collector": {"host": "zipkin"}}, preview=False)))  # type: ignore[arg-type]
    assert "zipkin" in engine.entry("mesh-proxy-defaults")["Config"]["envoy_extra_static_clusters_json"]
    with pytest.raises(InvalidInputError, match="args: must be a plain value, got a secret"):
        Engine().run(lambda: MeshTracing("mesh", pulumi.Output.secret({})))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["collector.host", "collector.port", "tags.a.literal", "services", "proxy_config.a"])
def test_secret_is_rejected_and_not_shown(engine: Engine, path: str) -> None:
    args: Any = {"collector": {"host": "zipkin"}, "tags": {"a": {}}, "proxy_config": {}}
    *groups, last = path.split(".")
    group = args
    for name in groups:
        group = group[name]

    def program() -> None:
        group[last] = pulumi.Output.secret("hush")
        MeshTracing("mesh", args)

    with pytest.raises(InvalidInputError, match=f"{path}: must be a plain value, got a secret") as error:
        engine.run(program)
    assert "hush" not in str(error.value)
    assert engine.registered == {}


def test_maps_and_lists_of_every_kind_are_inputs(engine: Engine) -> None:
    """The types of the arguments are `Mapping` and `Sequence`."""
    services = MappingProxyType({"web": MappingProxyType({"protocol": "http"})})
    engine.run(lambda: MeshTracing("mesh", collector={"host": "zipkin"}, services=services, tcp_services=("db",)))
    assert {"mesh-service-web", "mesh-service-db"} <= engine.registered.keys()
