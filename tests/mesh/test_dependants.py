"""Consul refuses a protocol on which entries of other kinds rely. The preview names these entries."""

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.consul import Consul
from testbed.http import RequestError
from testbed.processes import ProgramFailedError, Programs
from tests.mesh.consul_entries import entries, live, put
from tests.mesh.edited_stack import EditedStack

pytestmark = pytest.mark.mesh

API = ("service-defaults", "api")
RELYING: dict[tuple[str, str], dict[str, Any]] = {
    ("service-router", "front"): {
        "Routes": [{"Match": {"HTTP": {"PathPrefix": "/api"}}, "Destination": {"Service": "api"}}]
    },
    ("service-splitter", "front"): {"Splits": [{"Weight": 50}, {"Weight": 50, "Service": "api"}]},
    ("service-resolver", "front"): {"Failover": {"*": {"Service": "api"}}},
    ("service-resolver", "api"): {"Redirect": {"Service": "front"}},
    ("ingress-gateway", "edge"): {"Listeners": [{"Port": 8080, "Protocol": "http", "Services": [{"Name": "api"}]}]},
    ("service-intentions", "api"): {
        "Sources": [{"Name": "*", "Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": "/"}}]}]
    },
}
NOT_RELYING: dict[tuple[str, str], dict[str, Any]] = {
    ("service-resolver", "api"): {"Subsets": {"v1": {"Filter": "Service.Meta.version == v1"}}},
    ("ingress-gateway", "edge"): {"Listeners": [{"Port": 8080, "Protocol": "http", "Services": [{"Name": "*"}]}]},
    ("service-intentions", "api"): {"Sources": [{"Name": "*", "Action": "allow"}]},
}


def program(**protocols: str) -> str:
    services = {name: {"protocol": protocol} for name, protocol in protocols.items()}
    return f'MeshTracing("mesh", {{"collector": COLLECTOR, "services": {services}}})\n'


def is_refused(consul: Consul, protocol: str) -> bool:
    """Return whether Consul refuses the protocol of `api`. The entry is unchanged."""
    before = live(consul, API)
    try:
        put(consul, API, Protocol=protocol)
    except RequestError as error:
        assert ": 500 " in str(error)
        return True
    consul.write_config_entry(before)
    return False


def preview_rejection(stack: EditedStack) -> str:
    with pytest.raises(ProgramFailedError) as rejected:
        stack.project.preview()
    assert "CT219" in rejected.value.output
    return rejected.value.output


@pytest.fixture
def stack(programs: Programs, consul: Consul) -> Iterator[EditedStack]:
    consul.register({"Name": "edge", "Port": 8080})
    stack = EditedStack(programs, consul.address)
    stack.up(program(api="http", front="http"))
    yield stack
    consul.put("/v1/agent/service/deregister/edge")
    for kind in {kind for kind, _ in RELYING}:
        for entry in consul.get(f"/v1/config/{kind}"):
            consul.delete_config_entry(kind, entry["Name"])


def test_preview_names_the_entries_that_rely_on_a_protocol(stack: EditedStack, consul: Consul) -> None:
    stack.edit(program(api="tcp", front="http"))
    for entry, body in RELYING.items():
        put(consul, entry, **body)
        assert is_refused(consul, "tcp")
        assert f"api: http → tcp, on which {'/'.join(entry)} relies" in preview_rejection(stack)
        consul.delete_config_entry(*entry)
    for entry, body in NOT_RELYING.items():
        put(consul, entry, **body)
        assert not is_refused(consul, "tcp")
    assert "rel" not in stack.project.up()


def test_removed_protocol_causes_a_warning(stack: EditedStack, consul: Consul) -> None:
    entry = ("ingress-gateway", "edge")
    put(consul, entry, **RELYING[entry])
    stack.edit(program(front="http"))
    preview = stack.project.preview_without_diff()
    assert "CT533" in preview
    assert "api: http → tcp, on which ingress-gateway/edge relies" in preview
    consul.delete_config_entry(*entry)
    assert "CT533" not in stack.project.up()


def test_default_protocol_is_lowered_after_what_relies_on_it(stack: EditedStack, consul: Consul) -> None:
    default = '"collector": COLLECTOR, "default_protocol": "http", "tcp_services": [],'
    stack.up(program().replace('"collector": COLLECTOR,', default))
    entry = ("service-router", "edge")
    put(consul, entry, **RELYING["service-router", "front"])
    stack.edit(program())
    assert "api: http → tcp, on which service-router/edge relies" in preview_rejection(stack)
    consul.delete_config_entry(*entry)
    stack.project.up()


def test_destroy_continues_as_soon_as_nothing_relies_on_the_protocol(stack: EditedStack, consul: Consul) -> None:
    entry = ("service-router", "front")
    put(consul, entry, **RELYING[entry])
    with pytest.raises(ProgramFailedError, match=r'discovery chain "front" uses'):
        stack.project.destroy()
    consul.delete_config_entry(*entry)
    stack.project.destroy()
    assert not entries(consul)


def test_router_of_the_program_that_depends_on_the_component(stack: EditedStack, consul: Consul) -> None:
    router = f"""
body = {RELYING["service-router", "front"]}
pulumi_consul.ConfigEntry("front", kind="service-router", name="front", config_json=json.dumps(body),
                          opts=pulumi.ResourceOptions(depends_on=[mesh]))
"""
    stack.up("mesh = " + program(api="http", front="http") + router)
    lowered = stack.project.preview_without_diff
    stack.edit("mesh = " + program(api="http", front="tcp") + router)
    assert "CT533" in lowered()
    stack.project.destroy()
    assert not entries(consul)
