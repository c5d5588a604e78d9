"""The page about the removal of tracing, followed on a real Consul. No proxy runs, so its `stale` is skipped."""

import os
from collections.abc import Iterator

import pytest

import toolchain
from testbed.consul import Consul
from testbed.processes import Programs
from tests.followed_page import FollowedPage
from tests.mesh.consul_entries import MESH, entries, live, put

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

PROGRAM = """
from consul_tracing import MeshTracing

MeshTracing("mesh", {
    "existing": "adopt",
    "collector": {"host": "zipkin.example.com"},
    "services": {"web": {"protocol": "http"}, "api": {"protocol": "http"}},
})
"""
SERVICES = {("service-defaults", "web"), ("service-defaults", "api")}
FAILED = (1, 255)
"""Exit codes of a Pulumi that fails: newer engines return 1."""
KEPT = {"local_connect_timeout_ms": 5000}
INTENTIONS = ("service-intentions", "api")
ROUTER = ("service-router", "api")
RELYING = {
    INTENTIONS: {
        "Sources": [{"Name": "web", "Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": "/"}}]}],
    },
    ROUTER: {"Routes": [{"Match": {"HTTP": {"PathPrefix": "/v2"}}, "Destination": {"Service": "web"}}]},
}


@pytest.fixture
def page(programs: Programs, consul: Consul) -> Iterator[FollowedPage]:
    """The page, after the first `up` of a stack that adopts `proxy-defaults`."""

    def skip(_: str) -> None:
        return

    path = [toolchain.search_path(), str(toolchain.program("consul").parent), os.environ["PATH"]]
    page = FollowedPage(
        programs,
        "docs/guides/remove.md",
        environment={
            **consul.environment,
            "PATH": os.pathsep.join(path),
            "PULUMI_CONFIG_PASSPHRASE": "",
        },
        replaced={},
        handled={"consul-tracing stale ": skip},
    )
    put(consul, MESH, Config=KEPT)
    (page.directory / "Pulumi.yaml").write_text("name: mesh-tracing\nruntime: python\n")
    (page.directory / "__main__.py").write_text(PROGRAM)
    page.run("pulumi login --local && pulumi stack init prod && pulumi up")
    yield page
    for entry in RELYING:
        consul.delete_config_entry(*entry)


def test_four_steps_leave_the_protocols_and_no_tracing(page: FollowedPage, consul: Consul) -> None:
    for entry, body in RELYING.items():
        put(consul, entry, **body)
    page.follow("1. Off")
    assert live(consul, MESH)["Config"] == KEPT
    page.follow("2. Restart")
    page.follow("3. Release")
    page.follow("4. Destroy")
    assert entries(consul) >= {MESH, *SERVICES}
    assert live(consul, MESH)["Config"] == KEPT
    assert {live(consul, entry)["Protocol"] for entry in SERVICES} == {"http"}
    for entry in RELYING:
        consul.delete_config_entry(*entry)
    page.follow("What stays")
    assert entries(consul) == set()


@pytest.fixture
def stopped(page: FollowedPage, consul: Consul) -> FollowedPage:
    """The page, after a `destroy` that stopped half-way."""
    page.follow("1. Off")
    put(consul, INTENTIONS, **RELYING[INTENTIONS])
    page.follow("Without release", exit_codes=FAILED)
    assert entries(consul) & SERVICES == {("service-defaults", "api")}
    return page


def test_release_after_a_stopped_destroy_writes_the_deleted_entries(stopped: FollowedPage, consul: Consul) -> None:
    stopped.follow("Keep the protocols")
    assert {live(consul, entry)["Protocol"] for entry in SERVICES} == {"http"}
    assert live(consul, MESH)["Config"] == KEPT


def test_destroy_continues_without_the_entry_that_relies_on_the_protocol(stopped: FollowedPage, consul: Consul) -> None:
    stopped.follow("Delete what relies on them")
    assert not entries(consul) & SERVICES
    assert live(consul, MESH)["Config"] == KEPT


def test_destroy_alone_leaves_tracing_in_an_entry_of_several_owners(page: FollowedPage, consul: Consul) -> None:
    page.run("pulumi destroy")
    assert live(consul, MESH)["Config"].keys() > KEPT.keys()
    assert "envoy_tracing_json" in live(consul, MESH)["Config"]
