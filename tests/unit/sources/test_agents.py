"""Proxies of another agent on the same machine."""

from typing import Any

import pytest

from consul_tracing.sources.agents import Agent, agent_of, ports_of, roots_of
from consul_tracing.sources.http import HttpClient, parsed_url
from tests.unit.http_server import serving

OWN, OTHER = (f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----" for name in ("own", "other"))
AGENT = Agent(frozenset({8502, 8503}), frozenset({OWN}))


def dump(port: int | None = 8502, *roots: str, cluster: str = "local_agent") -> dict[str, Any]:
    place: dict[str, Any] = {"pipe": {"path": "/run/consul"}}
    if port:
        place = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    agent = {"name": cluster, "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": place}}]}]}}
    context = {"validation_context": {"trusted_ca": {"inline_string": "\n".join((*roots, ""))}}}
    return {
        "configs": [
            {"@type": "x/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"static_resources": {"clusters": [agent]}}},
            {"@type": "x/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [{"active_state": context}]},
        ]
    }


def test_proxy_with_another_port_and_other_certificates_is_foreign() -> None:
    assert AGENT.is_foreign(dump(18502, OTHER))


@pytest.mark.parametrize(
    ("agent", "proxy"),
    [
        (AGENT, dump(18502, OWN)),
        (AGENT, dump(18502, OTHER, OWN)),
        (AGENT, dump(8503, OTHER)),
        (AGENT, dump(18502)),
        (AGENT, dump(None, OTHER)),
        (AGENT, dump(18502, OTHER, cluster="consul-dataplane")),
        (AGENT, {}),
        (Agent(), dump(18502, OTHER)),
        (Agent(ports=AGENT.ports), dump(18502, OTHER)),
    ],
    ids=[
        "forwarded-port",
        "rotated-root",
        "agent-without-its-data",
        "not-connected",
        "socket",
        "dataplane",
        "no-dump",
        "unknown-agent",
        "unknown-roots",
    ],
)
def test_proxy_that_may_belong_to_the_agent_is_not_foreign(agent: Agent, proxy: dict[str, Any]) -> None:
    assert not agent.is_foreign(proxy)


def test_facts_of_a_dump() -> None:
    assert ports_of(dump(18502)) == {18502}
    assert roots_of(dump(8502, OWN, OTHER)) == {OWN, OTHER}


@pytest.mark.parametrize("xds", [{"Port": 8502, "Ports": {"Plaintext": 8502, "TLS": -1}}, {"Port": 8502}])
def test_agent_has_ports_and_roots(xds: dict[str, Any]) -> None:
    answers = {"/v1/agent/self": {"xDS": xds}, "/v1/agent/connect/ca/roots": {"Roots": [{"RootCert": f"{OWN}\n"}]}}
    with serving(lambda path, _: (200, answers[path])) as address:
        assert agent_of(HttpClient(url=parsed_url(f"http://{address}"))) == Agent(frozenset({8502}), frozenset({OWN}))


def test_agent_that_its_token_cannot_read_is_not_known() -> None:
    with serving(lambda *_: (403, {})) as address:
        assert agent_of(HttpClient(url=parsed_url(f"http://{address}"))) == Agent()
