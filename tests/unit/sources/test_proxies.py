"""The selection of proxies, with stubs of Consul and of admin interfaces."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from consul_tracing.errors import CommandError
from consul_tracing.sources import proxies
from consul_tracing.sources.pods import Pod
from consul_tracing.sources.processes import EnvoyProcess
from consul_tracing.sources.proxies import MAX_PODS, NOT_KNOWN, Selection, find_targets, on_path
from tests.unit.http_server import serving


def sidecar(service: str, **proxy: Any) -> dict[str, Any]:
    return {"Kind": "connect-proxy", "Proxy": {"DestinationServiceName": service, **proxy}}


class Host:
    """A host with a Consul agent and Envoys."""

    def __init__(self, stack: ExitStack) -> None:
        self.services: dict[str, Any] = {"web": {"Service": "web"}}
        self.processes: list[EnvoyProcess] = []
        self.requests: list[str] = []
        self.consul = stack.enter_context(serving(lambda *_: (200, self.services)))
        self._stack = stack

    def run(self, node: str, restart: str = "") -> str:
        """Start a server that responds as the admin interface of a proxy."""

        def answer(path: str, _: object) -> tuple[int, Any]:
            self.requests.append(f"{node}{path}")
            return 200, {"node": {"id": node}}

        address = self._stack.enter_context(serving(answer))
        self.processes.append(EnvoyProcess(address, restart))
        return address


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with ExitStack() as stack:
        created = Host(stack)
        monkeypatch.setenv("CONSUL_HTTP_ADDR", created.consul)
        monkeypatch.setattr(proxies, "envoy_processes", lambda: created.processes)
        monkeypatch.setattr(proxies, "DEFAULT_ADMIN", "127.0.0.1:1")
        yield created


def test_proxies_of_the_agent_are_found_by_the_id_of_their_node(host: Host) -> None:
    host.services |= {"web-proxy": sidecar("web"), "api-proxy": sidecar("api"), "in": {"Kind": "ingress-gateway"}}
    web, gateway = host.run("web-proxy", "systemctl restart web.service"), host.run("in")
    host.run("proxy-of-another-agent")
    found = find_targets(Selection(agent=True))
    assert [(one.admin.address, one.restart) for one in found.found] == [
        (gateway, ""),
        (web, "systemctl restart web.service"),
    ]
    assert found.unknown == {"api-proxy": NOT_KNOWN}
    assert found.facts == [f"api-proxy cannot be read: {NOT_KNOWN}"]


def test_only_proxies_on_the_path_of_a_request_are_read(host: Host) -> None:
    host.services |= {"web-proxy": sidecar("web"), "api-proxy": sidecar("api"), "in": {"Kind": "ingress-gateway"}}
    assert find_targets(Selection(agent=True), ["Web"]).unknown.keys() == {"web-proxy", "in"}
    assert find_targets(Selection(agent=True), []).unknown.keys() == {"web-proxy", "api-proxy", "in"}


def test_given_address_is_a_proxy_of_the_agent_once(host: Host) -> None:
    host.services["web-proxy"] = sidecar("web")
    port = host.run("web-proxy", "systemctl restart web.service").partition(":")[2]
    found = find_targets(Selection([f"localhost:{port}"], agent=True))
    assert [(one.admin.address, one.restart) for one in found.found] == [
        (f"localhost:{port}", "systemctl restart web.service")
    ]
    assert found.unknown == {}


@pytest.mark.parametrize("place", ["Port", "upstream", "exposed"])
def test_port_of_the_mesh_receives_no_request(host: Host, place: str) -> None:
    port = int(host.run("web-proxy").partition(":")[2])
    places: dict[str, Any] = {
        "Port": {**sidecar("web"), "Port": port},
        "upstream": sidecar("web", Upstreams=[{"LocalBindPort": port}]),
        "exposed": sidecar("web", Expose={"Paths": [{"ListenerPort": port}]}),
    }
    host.services["web-proxy"] = places[place]
    assert find_targets(Selection(agent=True)).unknown.keys() == {"web-proxy"}
    assert host.requests == []


@pytest.mark.usefixtures("host")
def test_agent_without_proxies_is_an_error() -> None:
    with pytest.raises(CommandError, match="has no proxies that its token can read: --agent requires their agent"):
        find_targets(Selection(agent=True))


def pod(name: str, service: str = "", gateway: str = "") -> Pod:
    named = {"connect-service": service, "gateway-kind": gateway, "gateway-consul-service-name": gateway}
    annotations = {f"consul.hashicorp.com/{key}": value for key, value in named.items() if value}
    return Pod({"metadata": {"namespace": "shop", "name": name, "annotations": annotations}})


def test_pods_of_expected_services_and_gateways_are_on_the_path() -> None:
    pods = [pod("other", "other"), pod("unnamed"), pod("web", "web"), pod("in", gateway="ingress-gateway")]
    chosen, notes = on_path(pods, ["Web"])
    assert ([one.name for one in chosen], notes) == (["shop/web", "shop/in", "shop/unnamed"], [])
    assert len(on_path(pods, [])[0]) == len(pods)


def test_each_service_has_a_pod_among_those_that_are_read() -> None:
    pods = [*(pod(f"web-{number}", "web") for number in range(MAX_PODS)), pod("api", "api")]
    chosen, (note,) = on_path(pods, [])
    assert len(chosen) == MAX_PODS
    assert "shop/api" in [one.name for one in chosen]
    assert note == f"{MAX_PODS} of 51 pods with proxies are read. --expect, --namespace and --selector select pods"
