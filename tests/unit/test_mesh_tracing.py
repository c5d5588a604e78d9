"""The wiring of the component, on Pulumi's mocks."""

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_consul
import pytest

from consul_tracing import InvalidInput, MeshTracing, Refused, WrongOutput
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine

CLUSTER = {"Config": {"envoy_extra_static_clusters_json": '{"name":"tracing_collector"}'}}
NO_CONSUL = "dial tcp 127.0.0.1:8500: connect: connection refused"


def written_before(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "Meta": {"managed-by": "pulumi", "pulumi-stack": "organization/mesh/test"}}


def test_one_entry_for_the_mesh_and_one_for_each_service(engine: Engine) -> None:
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


def test_an_output_as_host_is_written_when_it_resolves(engine: Engine) -> None:
    engine.run(lambda: MeshTracing("mesh", {"collector": {"host": pulumi.Output.from_input("late.example.com")}}))
    assert "late.example.com" in engine.entry("mesh-proxy-defaults")["Config"]["envoy_extra_static_clusters_json"]


def test_a_secret_host_is_refused_without_being_repeated(engine: Engine) -> None:
    with pytest.raises(WrongOutput, match="collector.host: is a secret") as refused:
        engine.run(lambda: MeshTracing("mesh", {"collector": {"host": pulumi.Output.secret("hush")}}))
    assert "hush" not in str(refused.value)
    assert "mesh-proxy-defaults" not in engine.registered


def test_an_output_that_turns_out_wrong_is_refused_when_it_resolves(engine: Engine) -> None:
    with pytest.raises(WrongOutput, match='collector.host: "a:1" holds a port'):
        engine.run(lambda: MeshTracing("mesh", {"collector": {"host": pulumi.Output.from_input("a:1")}}))
    assert "mesh-proxy-defaults" not in engine.registered


def test_nothing_is_registered_when_the_input_is_wrong(engine: Engine) -> None:
    with pytest.raises(InvalidInput):
        engine.run(lambda: MeshTracing("mesh", mesh(sampling={"random": 200})))
    assert engine.registered == {}


def test_outputs_tell_what_callers_need(engine: Engine) -> None:
    told: dict[str, Any] = {}

    def program() -> Any:
        component = MeshTracing("mesh", mesh(services={"web": {"protocol": "http", "name": "w"}}, tcp_services=["db"]))
        names = ["proxy_defaults", "bootstrap_hash", "collector_url", "gateway_envoy_args", "services", "warnings"]
        return pulumi.Output.all(**{name: getattr(component, name) for name in names}).apply(told.update)

    engine.run(program)
    assert told["proxy_defaults"] == "mesh-proxy-defaults-id"
    assert told["collector_url"] == "http://zipkin:9411/api/v2/spans"
    assert told["services"] == ["db", "w"]
    assert told["warnings"] == []
    assert told["gateway_envoy_args"][0] == "--config-yaml"
    assert json.loads(told["gateway_envoy_args"][1])["layered_runtime"]["layers"][0]["name"] == "tracing"


def test_skip_on_a_mesh_without_the_cluster_is_refused_before_anything_is_written(engine: Engine) -> None:
    with pytest.raises(Refused, match="would be rejected by every running proxy"):
        engine.run(lambda: MeshTracing("mesh", mesh(gateways="skip")))
    assert "mesh-proxy-defaults" not in engine.registered


def test_skip_on_a_mesh_with_the_cluster_is_written(engine: Engine) -> None:
    engine.live = {"global": written_before(CLUSTER)}
    engine.run(lambda: MeshTracing("mesh", mesh(gateways="skip")))
    assert "mesh-proxy-defaults" in engine.registered


def test_without_a_look_at_consul_nothing_is_written(engine: Engine) -> None:
    engine.live = NO_CONSUL
    with pytest.raises(Refused, match="Consul cannot be read, so nothing is written: .*connection refused"):
        engine.run(lambda: MeshTracing("mesh", mesh()))
    assert "mesh-proxy-defaults" not in engine.registered


@pytest.mark.parametrize("gateways", ["join", "skip"])
def test_a_preview_goes_on_without_consul(engine: Engine, gateways: str, caplog: pytest.LogCaptureFixture) -> None:
    engine.live = NO_CONSUL
    engine.run(
        lambda: MeshTracing("mesh", mesh(gateways=gateways, services={"web": {"protocol": "http"}})), preview=True
    )
    assert {"mesh-proxy-defaults", "mesh-service-web"} <= engine.registered.keys()
    assert caplog.text.count("Consul cannot be read, so this preview does not show fields of other owners") == 1


BY_HAND = {"global": {"Config": {"other": 1}}, "web": {"Protocol": "tcp", "LocalRequestTimeoutMs": 5000}}


def test_entries_of_others_are_refused_together_before_anything_is_written(engine: Engine) -> None:
    engine.live = BY_HAND
    with pytest.raises(Refused, match="proxy-defaults/global, service-defaults/web are unmanaged"):
        engine.run(lambda: MeshTracing("mesh", mesh(services={"web": {"protocol": "http"}})))
    assert engine.registered.keys() == {"mesh"}


def test_what_others_wrote_is_adopted(engine: Engine) -> None:
    engine.live = BY_HAND
    services = {"web": {"protocol": "http"}, "api": {"protocol": "http"}}

    def program() -> None:
        host = pulumi.Output.from_input("late.example.com")
        MeshTracing("mesh", mesh(existing="adopt", collector={"host": host}, services=services))

    engine.run(program)
    assert engine.entry("mesh-proxy-defaults")["Config"].keys() >= {"other", "envoy_tracing_json"}
    assert engine.entry("mesh-service-web")["LocalRequestTimeoutMs"] == 5000


def test_two_components_that_write_one_entry_are_refused(engine: Engine) -> None:
    def program() -> None:
        MeshTracing("one", mesh())
        MeshTracing("two", mesh())

    with pytest.raises(
        InvalidInput, match='of "two" cannot be used\n  proxy-defaults/global: is written by "one" as well'
    ):
        engine.run(program)
    assert "two-proxy-defaults" not in engine.registered


def test_two_components_for_two_consuls_are_not(engine: Engine) -> None:
    def program() -> None:
        for name in ("east", "west"):
            consul = pulumi_consul.Provider(name, address=f"{name}.example.com:8500")
            MeshTracing(name, mesh(), pulumi.ResourceOptions(providers=[consul]))

    engine.run(program)
    assert {"east-proxy-defaults", "west-proxy-defaults"} <= engine.registered.keys()


def test_a_switch_over_to_http_names_the_services_that_nobody_declared(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.live = {"redis": {"Protocol": "tcp"}}
    services = {"web": {"protocol": "http"}}
    engine.run(lambda: MeshTracing("mesh", mesh(default_protocol="http", tcp_services=[], services=services)))
    assert "parse these services as HTTP, which nobody declared: mysql. Name those" in caplog.text


def test_a_gateway_is_not_named_as_a_service_that_switches_over(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    # The mocked look-up finds an entry of this name under every kind, so under those of gateways too.
    engine.live = {"redis": {"Protocol": "tcp"}, "mysql": {}}
    engine.run(lambda: MeshTracing("mesh", mesh(default_protocol="http", tcp_services=[])))
    assert "mysql" not in caplog.text


# The mocks name the stack as a parent, other than the engine.
COMPONENT = "urn:pulumi:test::mesh::pulumi:pulumi:Stack$consul-tracing:index:MeshTracing"
URN = f"{COMPONENT}$consul:index/configEntry:ConfigEntry::mesh-"


def run_twice(engine: Engine, between: Callable[[dict[str, Any]], None], **args: Any) -> None:
    """Run a program, keep what it wrote as live entries and as state, change the live entries, and run it again."""
    services = {"web": {"protocol": "http"}}
    engine.run(lambda: MeshTracing("mesh", mesh(services=services, **args)))
    live = {"global": engine.entry("mesh-proxy-defaults"), "web": engine.entry("mesh-service-web")}
    engine.state = {
        f"{URN}{name}": dict(engine.registered[f"mesh-{name}"].inputs) for name in ("proxy-defaults", "service-web")
    }
    between(live)
    engine.live = live
    engine.run(lambda: MeshTracing("mesh", mesh(services=services, **args)))


def test_a_change_outside_of_pulumi_is_reported(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    def change(live: dict[str, Any]) -> None:
        live["web"]["Protocol"] = "tcp"
        del live["global"]

    run_twice(engine, change)
    assert 'service-defaults/web\n    Protocol "http" → "tcp"' in caplog.text
    assert "proxy-defaults/global\n    deleted" in caplog.text
    assert "1. pulumi up --refresh" in caplog.text


def test_a_run_without_changes_reports_nothing(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    reads = []

    def nothing(_: dict[str, Any]) -> None:
        reads.append(engine.state_reads)
        caplog.clear()

    run_twice(engine, nothing)
    assert caplog.text == ""
    assert reads == [engine.state_reads]
