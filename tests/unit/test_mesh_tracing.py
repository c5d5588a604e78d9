"""`MeshTracing` on Pulumi mocks."""

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_consul
import pytest

from consul_tracing import ConflictError, InvalidInputError, MeshTracing, ServiceProtocols, ZipkinCollector
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine

CLUSTER = {"Config": {"envoy_extra_static_clusters_json": '{"name":"tracing_collector"}'}}
NO_CONSUL = "dial tcp 127.0.0.1:8500: connect: connection refused"


def owned(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "Meta": {"managed-by": "pulumi", "pulumi-stack": "organization/mesh/test"}}


def test_one_entry_is_registered_for_the_mesh_and_each_service(engine: Engine) -> None:
    def program() -> None:
        MeshTracing("mesh", mesh(services={"web": {"protocol": "http"}}, tcp_services=["db"]))

    engine.run(program)
    kinds = {
        name: args.inputs.get("kind") for name, args in engine.registered.items() if args.typ.startswith("consul:")
    }
    assert kinds == {
        "mesh-proxy-defaults": "proxy-defaults",
        "mesh-service-web": "service-defaults",
        "mesh-service-db": "service-defaults",
    }
    assert engine.registered["mesh"].typ == "consul-tracing:index:MeshTracing"
    assert engine.entry("mesh-proxy-defaults")["Meta"]["pulumi-stack"] == "organization/mesh/test"


def test_output_as_host_is_written_after_it_resolves(engine: Engine) -> None:
    engine.run(lambda: MeshTracing("mesh", {"collector": {"host": pulumi.Output.from_input("late.example.com")}}))
    assert "late.example.com" in engine.entry("mesh-proxy-defaults")["Config"]["envoy_extra_static_clusters_json"]


def test_secret_host_is_rejected_without_being_shown(engine: Engine) -> None:
    with pytest.raises(InvalidInputError, match="collector.host: must be a plain value, got a secret") as rejected:
        engine.run(lambda: MeshTracing("mesh", {"collector": {"host": pulumi.Output.secret("hush")}}))
    assert "hush" not in str(rejected.value)
    assert engine.registered == {}


def test_invalid_output_is_rejected_before_anything_is_registered(engine: Engine) -> None:
    with pytest.raises(InvalidInputError, match="2 inputs") as rejected:
        engine.run(lambda: MeshTracing("mesh", mesh(collector={"host": pulumi.Output.from_input("a:1"), "port": 0})))
    assert [problem.path for problem in rejected.value.problems] == ["collector.host", "collector.port"]
    assert engine.registered == {}


@pytest.mark.parametrize("per_host", [True, False])
def test_plan_with_an_unknown_host_has_unknown_values(engine: Engine, *, per_host: bool) -> None:
    resolved: dict[str, Any] = {}

    def program() -> None:
        host = pulumi.Output.from_input(pulumi.output.Unknown()).apply(str)
        args = mesh(collector={"host": host, "per_host": per_host}, services={"web": {"protocol": "http"}})
        component = MeshTracing("mesh", args)
        for name in ("bootstrap_hash", "collector_url", "proxy_annotations", "services"):
            getattr(component, name).apply(lambda value, name=name: resolved.update({name: value}))

    engine.run(program, preview=True)
    assert isinstance(engine.registered["mesh-proxy-defaults"].inputs["configJson"], pulumi.output.Unknown)
    assert engine.entry("mesh-service-web")["Protocol"] == "http"
    assert resolved == {"services": ["web"]}


@pytest.mark.parametrize("again", [lambda: MeshTracing("again", mesh()), None], ids=["component", "resource"])
def test_failed_component_claims_no_entries(engine: Engine, again: Callable[[], Any] | None) -> None:
    def raw() -> None:
        pulumi_consul.ConfigEntry("again-proxy-defaults", kind="proxy-defaults", name="global", config_json="{}")

    def program() -> None:
        with pytest.raises(ConflictError):
            MeshTracing("mesh", mesh(gateways="skip"))
        (again or raw)()

    engine.run(program)
    assert "again-proxy-defaults" in engine.registered


def test_invalid_input_registers_nothing(engine: Engine) -> None:
    with pytest.raises(InvalidInputError):
        engine.run(lambda: MeshTracing("mesh", mesh(sampling={"random": 200})))
    assert engine.registered == {}


@pytest.mark.parametrize("component", [MeshTracing, ServiceProtocols, ZipkinCollector])
def test_inputs_in_place_of_the_name_are_not_printed(engine: Engine, component: Any) -> None:
    with pytest.raises(InvalidInputError) as rejected:
        engine.run(lambda: component({"collector": {"host": "zipkin"}}))
    assert str(rejected.value).splitlines()[:2] == [
        "consul-tracing: CT101: 1 input of a component is invalid",
        '  name: must be text, got a map. The name of the resource is the first argument, before the inputs: "mesh"',
    ]
    assert engine.registered == {}


def test_outputs_have_the_planned_values(engine: Engine) -> None:
    outputs: dict[str, Any] = {}

    def program() -> Any:
        component = MeshTracing("mesh", mesh(services={"web": {"protocol": "http", "name": "w"}}, tcp_services=["db"]))
        names = ["proxy_defaults", "bootstrap_hash", "collector_url", "gateway_envoy_args", "services", "warnings"]
        names += ["proxy_annotations", "proxy_environment"]
        return pulumi.Output.all(**{name: getattr(component, name) for name in names}).apply(outputs.update)

    engine.run(program)
    assert outputs["proxy_defaults"] == "mesh-proxy-defaults-id"
    assert outputs["collector_url"] == "http://zipkin:9411/api/v2/spans"
    assert outputs["services"] == ["db", "w"]
    assert outputs["warnings"] == []
    assert outputs["proxy_environment"] == outputs["proxy_annotations"] == {"db": {}, "w": {}, "*": {}}
    assert outputs["gateway_envoy_args"][0] == "--config-yaml"
    assert json.loads(outputs["gateway_envoy_args"][1])["layered_runtime"]["layers"][0]["name"] == "tracing"


def test_entries_are_the_resources_that_write_them(engine: Engine) -> None:
    entries: dict[str, pulumi.Resource] = {}

    def program() -> None:
        mesh_tracing = MeshTracing(
            "mesh", mesh(services={"web": {"protocol": "http", "name": "w"}}, tcp_services=["db"])
        )
        shop = ServiceProtocols("shop", services={"api": {"protocol": "http"}})
        entries.update(
            {
                f"{one.pulumi_resource_name}-{key}": entry
                for one in (mesh_tracing, shop)
                for key, entry in one.entries.items()
            }
        )
        opts = pulumi.ResourceOptions(depends_on=[mesh_tracing])
        pulumi_consul.Intention("last", action="deny", source_name="a", destination_name="b", opts=opts)

    engine.run(program)
    names = {"mesh-proxy-defaults", "mesh-service-web", "mesh-service-db", "shop-service-api"}
    assert {key: one.pulumi_resource_name for key, one in entries.items()} == {name: name for name in names}
    before_last = list(engine.registered)[: list(engine.registered).index("last")]
    assert names - {"shop-service-api"} <= set(before_last)


def test_components_register_all_their_outputs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: dict[type, set[str]] = {}

    def register_outputs(component: pulumi.ComponentResource, outputs: dict[str, Any]) -> None:
        registered[type(component)] = set(outputs)

    def program() -> None:
        MeshTracing("mesh", mesh())
        ServiceProtocols("shop", {"services": {}})
        ZipkinCollector("zipkin", {})

    monkeypatch.setattr(pulumi.ComponentResource, "register_outputs", register_outputs)
    engine.run(program)
    for component in (MeshTracing, ServiceProtocols, ZipkinCollector):
        assert registered[component] == set(component.__annotations__)


def test_skip_is_rejected_on_a_mesh_without_the_collector_cluster(engine: Engine) -> None:
    with pytest.raises(ConflictError, match="requires proxies with the cluster tracing_collector"):
        engine.run(lambda: MeshTracing("mesh", mesh(gateways="skip")))
    assert "mesh-proxy-defaults" not in engine.registered


def test_skip_is_written_on_a_mesh_with_the_collector_cluster(engine: Engine) -> None:
    engine.live = {"global": owned(CLUSTER)}
    engine.run(lambda: MeshTracing("mesh", mesh(gateways="skip")))
    assert "mesh-proxy-defaults" in engine.registered


def test_unreachable_consul_fails_an_up_before_any_write(engine: Engine) -> None:
    engine.live = NO_CONSUL
    with pytest.raises(ConflictError, match="Consul cannot be read, so nothing is written: .*connection refused"):
        engine.run(lambda: MeshTracing("mesh", mesh()))
    assert "mesh-proxy-defaults" not in engine.registered


@pytest.mark.parametrize("gateways", ["join", "skip"])
def test_preview_continues_without_consul(engine: Engine, gateways: str, caplog: pytest.LogCaptureFixture) -> None:
    engine.live = NO_CONSUL
    engine.run(
        lambda: MeshTracing("mesh", mesh(gateways=gateways, services={"web": {"protocol": "http"}})), preview=True
    )
    assert {"mesh-proxy-defaults", "mesh-service-web"} <= engine.registered.keys()
    assert caplog.text.count("Consul cannot be read yet, so this preview does not show fields of other owners") == 1


BY_HAND = {"global": {"Config": {"other": 1}}, "web": {"Protocol": "tcp", "LocalRequestTimeoutMs": 5000}}


def test_unmanaged_entries_are_rejected_together_before_any_write(engine: Engine) -> None:
    engine.live = BY_HAND
    with pytest.raises(ConflictError, match="proxy-defaults/global, service-defaults/web are unmanaged"):
        engine.run(lambda: MeshTracing("mesh", mesh(services={"web": {"protocol": "http"}})))
    assert engine.registered.keys() == {"mesh"}


def test_adopt_preserves_unmanaged_fields(engine: Engine) -> None:
    engine.live = BY_HAND
    services = {"web": {"protocol": "http"}, "api": {"protocol": "http"}}

    def program() -> None:
        host = pulumi.Output.from_input("late.example.com")
        MeshTracing("mesh", mesh(existing="adopt", collector={"host": host}, services=services))

    engine.run(program)
    assert engine.entry("mesh-proxy-defaults")["Config"].keys() >= {"other", "envoy_tracing_json"}
    assert engine.entry("mesh-service-web")["LocalRequestTimeoutMs"] == 5000


def test_invalid_clusters_of_a_consul_k8s_entry_are_reported_as_managed_by_consul_k8s(engine: Engine) -> None:
    engine.live = {
        "global": {
            "Config": {"envoy_extra_static_clusters_json": "{"},
            "Meta": {"external-source": "kubernetes"},
        }
    }
    with pytest.raises(ConflictError, match="^consul-tracing: CT203: proxy-defaults/global is managed by consul-k8s"):
        engine.run(lambda: MeshTracing("mesh", mesh()))


def test_two_components_with_the_same_entries_are_rejected(engine: Engine) -> None:
    def program() -> None:
        MeshTracing("one", mesh(services={"web": {"protocol": "http"}}))
        MeshTracing("two", mesh(services={"shop": {"protocol": "http", "name": "web"}}))

    with pytest.raises(InvalidInputError, match='2 inputs of "two" are invalid') as rejected:
        engine.run(program)
    assert 'proxy-defaults/global: conflicts with "one"' in str(rejected.value)
    assert 'service-defaults/web: conflicts with "one"' in str(rejected.value)
    assert "two-proxy-defaults" not in engine.registered


def test_two_components_for_two_consul_servers_are_accepted(engine: Engine) -> None:
    def program() -> None:
        for name in ("east", "west"):
            consul = pulumi_consul.Provider(name, address=f"{name}.example.com:8500")
            MeshTracing(name, mesh(), pulumi.ResourceOptions(providers=[consul]))

    engine.run(program)
    assert {"east-proxy-defaults", "west-proxy-defaults"} <= engine.registered.keys()


def test_new_http_default_warns_about_undeclared_services(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    engine.live = {"redis": {"Protocol": "tcp"}}
    services = {"web": {"protocol": "http"}}
    engine.run(lambda: MeshTracing("mesh", mesh(default_protocol="http", tcp_services=[], services=services)))
    assert "without a declared protocol as HTTP: mysql" in caplog.text


def test_new_http_default_does_not_warn_about_gateways(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    # The mocked lookup returns this entry for every kind, which includes the gateway kinds.
    engine.live = {"redis": {"Protocol": "tcp"}, "mysql": {}}
    engine.run(lambda: MeshTracing("mesh", mesh(default_protocol="http", tcp_services=[])))
    assert "mysql" not in caplog.text


# Unlike the engine, the mocks include the stack in the URN of a child.
COMPONENT = "urn:pulumi:test::mesh::pulumi:pulumi:Stack$consul-tracing:index:MeshTracing"
URN = f"{COMPONENT}$consul:index/configEntry:ConfigEntry::mesh-"


def run_twice(engine: Engine, between: Callable[[dict[str, Any]], None], **args: Any) -> None:
    """Run a program, use its result as live entries and state, change the live entries, and run it again."""
    services = {"web": {"protocol": "http"}}
    engine.run(lambda: MeshTracing("mesh", mesh(services=services, **args)))
    live = {"global": engine.entry("mesh-proxy-defaults"), "web": engine.entry("mesh-service-web")}
    engine.state = {
        f"{URN}{name}": dict(engine.registered[f"mesh-{name}"].inputs) for name in ("proxy-defaults", "service-web")
    }
    between(live)
    engine.live = live
    engine.run(lambda: MeshTracing("mesh", mesh(services=services, **args)))


def test_drift_is_reported(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    def change(live: dict[str, Any]) -> None:
        live["web"]["Protocol"] = "tcp"
        del live["global"]

    run_twice(engine, change)
    assert 'service-defaults/web\n    Protocol "http" → "tcp"' in caplog.text
    assert "proxy-defaults/global\n    deleted" in caplog.text
    assert "pulumi up --refresh restores the declared values." in caplog.text


def test_run_without_changes_reports_nothing(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    reads = []

    def nothing(_: dict[str, Any]) -> None:
        reads.append(engine.state_reads)
        caplog.clear()

    run_twice(engine, nothing)
    assert caplog.text == ""
    assert reads == [engine.state_reads]


@pytest.mark.parametrize(
    ("args", "owner", "expected"),
    [
        ({"existing": "overwrite"}, "acme/mesh/prod", "WARNING CT502"),
        ({"release": True}, "organization/mesh/test", "INFO CT504"),
        ({}, "organization/mesh/test", "INFO CT505"),
    ],
)
def test_messages_about_other_owners_have_a_severity(
    engine: Engine, caplog: pytest.LogCaptureFixture, args: Any, owner: str, expected: str
) -> None:
    engine.run(lambda: MeshTracing("mesh", mesh(services={"web": {"protocol": "http"}})))
    live = engine.entry("mesh-proxy-defaults")
    live["Meta"]["pulumi-stack"] = owner
    if "existing" not in args:
        live["Config"]["other"] = 1
    engine.live = {"global": live, "web": engine.entry("mesh-service-web")}
    caplog.set_level("INFO")
    caplog.clear()
    engine.run(lambda: MeshTracing("mesh", mesh(services={"web": {"protocol": "http"}}, **args)))
    found = [one for one in caplog.records if ": CT" in one.message]
    assert [f"{one.levelname} {one.message.split(': ')[1]}" for one in found] == [expected]


def test_removal_of_a_field_of_another_owner_is_a_warning(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    engine.live = {"global": {"Config": {"envoy_statsd_url": "udp://127.0.0.1:9125"}}}
    caplog.set_level("INFO")
    engine.run(lambda: MeshTracing("mesh", mesh(existing="overwrite")))
    found = [(one.levelname, one.message.splitlines()[1]) for one in caplog.records if "CT502" in one.message]
    assert found == [("WARNING", "  removed: envoy_statsd_url")]


def test_entry_that_lost_its_owner_is_a_conflict(engine: Engine) -> None:
    with pytest.raises(ConflictError, match="service-defaults/web is an unmanaged entry"):
        run_twice(engine, lambda live: live["web"].pop("Meta"))


def test_preview_without_consul_reports_no_drift(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    run_twice(engine, lambda _: None)
    engine.live = NO_CONSUL
    engine.run(lambda: MeshTracing("mesh", mesh()), preview=True)
    assert "changed outside of Pulumi" not in caplog.text
