"""What others wrote into the mesh's entries, on a real Consul and with this project's own program: nothing is lost."""

import os
import shutil

import pytest

import toolchain
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, WEB, add_to_config, entries, live, on, put, refusal

pytestmark = pytest.mark.mesh

CLUSTERS = "envoy_extra_static_clusters_json"
BY_HAND = '{ "name" : "statsd",\n   "type":"STATIC" , "connect_timeout": "0.250s" }'
"""A static cluster as no program would format it."""

TWO_COMPONENTS = """
from consul_tracing import MeshTracing

MeshTracing("one", {"collector": {"host": "zipkin"}, "services": {"web": {"protocol": "http"}}})
MeshTracing("two", {"collector": {"host": "zipkin"}, "services": {"shop": {"protocol": "http", "name": "web"}}})
"""


@pytest.fixture
def stack(programs: Programs, consul: Consul) -> Project:
    return Project(programs, CHECKOUT, on(consul), stack="prod")


def write_by_hand(consul: Consul) -> None:
    """Entries with a foreign part of every sort."""
    config = {"envoy_prometheus_bind_addr": "0.0.0.0:9102", "nested": {"a": [1.5, {"b": "c"}]}, CLUSTERS: BY_HAND}
    put(consul, MESH, Config=config, MeshGateway={"Mode": "local"}, Meta={"team": "core"})
    put(consul, WEB, Protocol="tcp", LocalRequestTimeoutMs=5000, Meta={"team": "shop"})


def test_entries_written_by_hand_are_refused_together_and_stay_as_they_were(consul: Consul, stack: Project) -> None:
    write_by_hand(consul)
    before = live(consul), live(consul, WEB)
    told = refusal(stack)
    assert "proxy-defaults/global, service-defaults/web are unmanaged" in told
    assert "MeshGateway.Mode, Meta.team, envoy_prometheus_bind_addr, nested, the static cluster statsd" in told
    assert "mesh-proxy-defaults proxy-defaults/global" in told
    assert "adopt preserves, overwrite removes: LocalRequestTimeoutMs, Meta.team" in told
    assert told.count("existing: adopt") == 1
    assert (live(consul), live(consul, WEB)) == before


def test_adopting_keeps_every_foreign_part_and_the_second_preview_is_empty(consul: Consul, stack: Project) -> None:
    write_by_hand(consul)
    stack.configure(on(consul, existing="adopt"))
    stack.up()
    mesh, web = live(consul), live(consul, WEB)
    assert mesh["Config"]["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    assert mesh["Config"]["nested"] == {"a": [1.5, {"b": "c"}]}
    assert BY_HAND in mesh["Config"][CLUSTERS]
    assert '"name":"tracing_collector"' in mesh["Config"][CLUSTERS]
    assert "envoy_tracing_json" in mesh["Config"]
    assert mesh["MeshGateway"] == {"Mode": "local"}
    assert mesh["Meta"]["team"] == "core"
    assert (web["Protocol"], web["LocalRequestTimeoutMs"], web["Meta"]["team"]) == ("http", 5000, "shop")
    stack.preview(expect_no_changes=True)


def test_a_foreign_key_that_appears_later_stays_and_an_own_key_that_is_dropped_goes(
    consul: Consul, stack: Project
) -> None:
    stack.configure(on(consul, proxy_config={"local_connect_timeout_ms": 1000}))
    stack.up()
    add_to_config(consul, envoy_stats_bind_addr="0.0.0.0:9103")
    stack.up()
    config = live(consul)["Config"]
    assert (config["envoy_stats_bind_addr"], config["local_connect_timeout_ms"]) == ("0.0.0.0:9103", 1000)
    stack.configure(on(consul))
    stack.up()
    config = live(consul)["Config"]
    assert config["envoy_stats_bind_addr"] == "0.0.0.0:9103"
    assert "local_connect_timeout_ms" not in config
    stack.preview(expect_no_changes=True)


def test_taking_tracing_out_and_putting_it_back_gives_the_same_bytes(consul: Consul, stack: Project) -> None:
    write_by_hand(consul)
    stack.configure(on(consul, existing="adopt"))
    stack.up()
    with_tracing = live(consul)["Config"]
    stack.configure(on(consul, existing="adopt", enabled=False))
    stack.up()
    without = live(consul)["Config"]
    assert without[CLUSTERS] == BY_HAND
    assert not {"envoy_tracing_json", "envoy_listener_tracing_json"} & set(without)
    stack.configure(on(consul, existing="adopt"))
    stack.up()
    assert live(consul)["Config"] == with_tracing


def test_destroy_leaves_an_entry_that_holds_what_others_wrote_and_the_up_says_so(
    consul: Consul, stack: Project
) -> None:
    write_by_hand(consul)
    stack.configure(on(consul, existing="adopt"))
    told = stack.up()
    assert "fields of other owners are preserved, so pulumi destroy leaves them in Consul, including tracing" in told
    retained = {one["urn"].rpartition("::")[2] for one in stack.resources() if one.get("retainOnDelete")}
    assert retained == {"mesh-proxy-defaults", "mesh-service-web"}
    before = live(consul), live(consul, WEB)
    stack.destroy()
    assert (live(consul), live(consul, WEB)) == before


def test_destroy_deletes_what_others_wrote_since_the_last_up_and_an_up_before_it_keeps_that(
    consul: Consul, stack: Project
) -> None:
    """A destroy does not run the program, so nobody looks: what is to be retained was decided by the last `up`."""
    stack.up()
    add_to_config(consul, envoy_stats_bind_addr="0.0.0.0:9103")
    stack.destroy()
    assert entries(consul) == set()
    stack.up()
    add_to_config(consul, envoy_stats_bind_addr="0.0.0.0:9103")
    stack.up()
    stack.destroy()
    assert live(consul)["Config"]["envoy_stats_bind_addr"] == "0.0.0.0:9103"
    assert entries(consul) == {MESH}


def test_destroy_takes_away_an_entry_that_is_all_ours(consul: Consul, stack: Project) -> None:
    stack.up()
    assert entries(consul) == {MESH, WEB}
    stack.destroy()
    assert entries(consul) == set()


def test_an_entry_without_tracing_is_released_as_it_was_before_the_stack(consul: Consul, stack: Project) -> None:
    write_by_hand(consul)
    before = live(consul)
    stack.configure(on(consul, existing="adopt"))
    stack.up()
    stack.configure(on(consul, existing="adopt", enabled=False))
    stack.up()
    stack.destroy()
    after = live(consul)
    assert {field: after[field] for field in ("Config", "MeshGateway", "Meta")} == {
        field: before[field] for field in ("Config", "MeshGateway", "Meta")
    }


def test_the_entries_of_a_stack_that_is_gone_are_released_with_the_reported_command(
    programs: Programs, consul: Consul, stack: Project
) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not on PATH")
    write_by_hand(consul)
    stack.configure(on(consul, existing="adopt"))
    stack.up()
    stack.destroy()
    successor = Project(programs, CHECKOUT, on(consul, existing="adopt"), stack="successor")
    reported = refusal(successor)
    assert "If organization/consul-tracing/prod no longer exists:" in reported
    command = next(line for line in reported.splitlines() if "consul config read" in line).partition(". ")[2]
    path = [str(toolchain.program("consul").parent), os.environ["PATH"]]
    environment = {"CONSUL_HTTP_ADDR": consul.address, "PATH": os.pathsep.join(path)}
    for one in (command, command.replace("-kind proxy-defaults -name global", "-kind service-defaults -name web")):
        programs.run("release", ["sh", "-c", one], environment=environment)
    assert live(consul)["Meta"] == {"team": "core"}
    successor.up()
    assert live(consul)["Meta"]["pulumi-stack"] == "organization/consul-tracing/successor"
    assert live(consul)["MeshGateway"] == {"Mode": "local"}


def test_the_mesh_of_other_stacks_has_http_services(consul: Consul, stack: Project) -> None:
    warning = "no service is declared as http, http2 or grpc"
    stack.configure(on(consul, services={}))
    assert warning in stack.previewed()
    consul.register({"Name": "web", "Port": 9999})
    put(consul, WEB, Protocol="grpc")
    assert warning not in stack.previewed()
    consul.put("/v1/agent/service/deregister/web")


def test_a_changed_bootstrap_is_reported(consul: Consul, stack: Project) -> None:
    line = "restart every proxy after this change"
    assert line in stack.up()
    assert line not in stack.up()
    stack.configure(on(consul, sampling={"random": 5}))
    assert line not in stack.up()
    stack.configure(on(consul, collector={"host": "other.example.com"}))
    assert line in stack.previewed()
    assert line in stack.up()


@pytest.mark.parametrize("existing", ["refuse", "adopt"])
def test_an_entry_of_another_stack_is_refused_by_name(
    programs: Programs, consul: Consul, stack: Project, existing: str
) -> None:
    stack.up()
    before = live(consul), live(consul, WEB)
    other = Project(programs, CHECKOUT, on(consul, existing=existing), stack="staging")
    told = refusal(other)
    titles = "proxy-defaults/global, service-defaults/web"
    assert f"{titles} are managed by another stack (organization/consul-tracing/prod)" in told
    assert (live(consul), live(consul, WEB)) == before


def test_overwrite_takes_an_entry_of_another_stack_and_the_other_is_then_refused(
    programs: Programs, consul: Consul, stack: Project
) -> None:
    stack.up()
    other = Project(programs, CHECKOUT, on(consul, existing="overwrite"), stack="staging")
    other.up()
    other.preview(expect_no_changes=True)
    assert live(consul)["Meta"]["pulumi-stack"] == "organization/consul-tracing/staging"
    assert "are managed by another stack (organization/consul-tracing/staging)" in refusal(stack)


def test_an_entry_of_consul_k8s_is_refused_whatever_is_said(consul: Consul, stack: Project) -> None:
    put(consul, MESH, Config={"protocol": "http"}, Meta={"external-source": "kubernetes"})
    before = live(consul)
    for existing in ("refuse", "adopt", "overwrite"):
        stack.configure(on(consul, existing=existing))
        assert "proxy-defaults/global is managed by consul-k8s" in refusal(stack)
    assert live(consul) == before
    assert entries(consul) == {MESH}


def test_more_keys_than_fit_one_meta_value_are_remembered(consul: Consul, stack: Project) -> None:
    many = {f"a_setting_of_ours_{number:02}": number for number in range(60)}
    stack.configure(on(consul, proxy_config=many))
    stack.up()
    meta = live(consul)["Meta"]
    assert len(meta["consul-tracing-keys"]) == 512
    assert "consul-tracing-keys-3" in meta
    stack.preview(expect_no_changes=True)
    stack.configure(on(consul))
    stack.up()
    assert not set(many) & set(live(consul)["Config"])
    assert {key for key in live(consul)["Meta"] if key.startswith("consul-tracing-keys")} == {"consul-tracing-keys"}


def test_two_components_that_would_write_one_entry_are_refused(programs: Programs, consul: Consul) -> None:
    directory = programs.make_directory("program")
    (directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
    (directory / "__main__.py").write_text(TWO_COMPONENTS)
    told = refusal(Project(programs, directory, {"consul:address": consul.address}, stack="test"))
    assert 'proxy-defaults/global: is written by "one" as well' in told
    assert 'service-defaults/web: is written by "one" as well' in told
