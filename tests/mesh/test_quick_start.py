"""The quick start, followed on a mesh without tracing. Commands, files and outputs are those of the page.

Replaced are: the addresses of the page, with those of the mesh; the installation from the repository, with one from
this checkout; Docker and the download of Zipkin, with the Zipkin of the mesh; `stale --agent`, with the admin ports,
since other meshes may run on this machine; and the terminals of the sidecars. Pulumi's plugins are not downloaded.
"""

import os
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import version

import pytest

import toolchain
from consul_tracing.inputs.zipkin_collector_settings import ZIPKIN_VERSION
from testbed import CHECKOUT
from testbed.mesh import DEMO_SERVICES, Mesh
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from tests.followed_page import FollowedPage

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.xdist_group("quick start")]

DOCUMENT = "docs/quick-start.md"
ADMIN_PORTS = {"client": 19000, "web": 19001, "api": 19002}
KEPT = {"local_connect_timeout_ms": 5000}
"""A field of `proxy-defaults` that the mesh has before, and that must stay."""


@pytest.fixture(scope="module")
def mesh(programs: Programs) -> Iterator[Mesh]:
    """A mesh whose sidecars run without tracing, and whose entry another tool wrote."""
    started = Mesh(programs, DEMO_SERVICES)
    started.register_services()
    started.consul.write_config_entry({"Kind": "proxy-defaults", "Name": "global", "Config": KEPT})
    started.start_sidecars()
    started.zipkin.wait_until_ready()
    yield started
    started.stop_sidecars()
    started.consul.stop()


def actual(mesh: Mesh) -> dict[str, str]:
    """Return the texts of the page and their replacements on this mesh."""
    admin = [f"--admin {LOOPBACK}:{mesh.sidecars[name].admin_port}" for name in sorted(ADMIN_PORTS)]
    return {
        **{f"{LOOPBACK}:{port}": f"{LOOPBACK}:{mesh.sidecars[name].admin_port}" for name, port in ADMIN_PORTS.items()},
        "127.0.0.1:8500": mesh.consul.address,
        "127.0.0.1:9411": f"{LOOPBACK}:{mesh.zipkin.port}",
        '"port": 9411': f'"port": {mesh.zipkin.port}',
        "127.0.0.1:9191": f"{LOOPBACK}:{mesh.upstream_port()}",
        "consul-tracing stale --agent": f"consul-tracing stale {' '.join(admin)}",
        f"git+https://github.com/consul-tracing/consul-tracing@v{version('consul-tracing')}": f"file://{CHECKOUT}",
    }


@pytest.fixture(scope="module")
def page(programs: Programs, mesh: Mesh) -> FollowedPage:
    """The page, whose sections the tests follow in order."""

    def skip(_: str) -> None:
        return

    def restart(commands: str) -> None:
        restart_sidecars(mesh, commands)

    path = [toolchain.search_path(), os.environ["PATH"]]
    handled = {"docker ": skip, "curl --fail ": skip, "consul connect envoy ": restart}
    environment = {"PATH": os.pathsep.join(path)}
    return FollowedPage(programs, DOCUMENT, environment=environment, replaced=actual(mesh), handled=handled)


def restart_sidecars(mesh: Mesh, commands: str) -> None:
    """Restart the sidecars that the commands of the page start, with the admin ports of the mesh."""
    documented = [
        ["consul", "connect", "envoy", "-sidecar-for", name, "-admin-bind", f"{LOOPBACK}:{port}"]
        for name, port in ADMIN_PORTS.items()
    ]
    assert [shlex.split(command) for command in commands.splitlines()] == documented
    mesh.restart_sidecars()


def config(mesh: Mesh) -> dict[str, object]:
    entry = mesh.consul.config_entry("proxy-defaults", "global")
    assert entry is not None
    return dict(entry["Config"])


def protocols(mesh: Mesh) -> dict[str, str]:
    return {entry["Name"]: entry["Protocol"] for entry in mesh.consul.get("/v1/config/service-defaults")}


def follow_the_advice_for_rare_traces(page: FollowedPage, mesh: Mesh) -> None:
    """Run the commands of the troubleshooting page, each of which has a trace at 1 %."""
    page.open("docs/troubleshooting.md")
    verify, forced = (block["content"] for block in page.blocks("Six requests at 1 % show nothing"))
    page.run(verify)
    assert "The trace is complete" in page.output
    before = len(mesh.zipkin.traces())
    page.run(forced)
    mesh.programs.wait_until(lambda: len(mesh.zipkin.traces()) > before, "the trace of the forced request")
    page.open(DOCUMENT)


def test_six_requests_at_one_percent_probably_have_no_trace() -> None:
    assert "in 94 of 100 cases" in (CHECKOUT / "docs" / "troubleshooting.md").read_text()
    assert round(100 * 0.99**6) == 94


def test_quick_start(page: FollowedPage, mesh: Mesh) -> None:
    """One test, since each section continues where the former one ends."""
    page.follow("1. Start Zipkin")
    page.follow("2. Create the program")
    page.follow("3. Apply it")
    assert protocols(mesh) == {"web": "http", "api": "http"}
    assert config(mesh).items() > KEPT.items()

    page.follow("4. Restart the sidecars", exit_codes=[1])
    page.run("consul-tracing stale --agent")

    page.follow("5. See the trace")
    assert '"service": "web"' in page.output
    mesh.programs.wait_until(lambda: len(mesh.zipkin.traces()) > 1, "the trace of a request without verify")

    page.follow("6. Trace 1 % of the requests")
    assert '"random_sampling":{"value":1}' in str(config(mesh)["envoy_listener_tracing_json"])
    page.run("consul-tracing stale --agent")
    follow_the_advice_for_rare_traces(page, mesh)

    page.follow("7. Switch tracing off")
    mesh.restart_sidecars()
    page.run("consul-tracing stale --agent")
    assert page.output.count(" none") == len(ADMIN_PORTS)

    directory = page.directory
    page.follow("8. Remove the rest")
    assert not directory.exists()
    assert config(mesh) == KEPT
    assert protocols(mesh) == {"web": "http", "api": "http"}
    assert mesh.request().status == 200


def test_versions_of_the_page() -> None:
    text = (CHECKOUT / DOCUMENT).read_text()
    assert set(re.findall(r"zipkin-(?:slim:|server[/-])([0-9.]+[0-9])", text)) == {ZIPKIN_VERSION}
    assert set(re.findall(r"consul-tracing@v([0-9.]+)", text)) == {version("consul-tracing")}
