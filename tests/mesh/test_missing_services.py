"""A new entry of a service that Consul's catalog does not have may have a misspelt name."""

from collections.abc import Iterator

import pytest

from testbed.consul import Consul
from testbed.processes import Programs
from tests.mesh.consul_entries import MESH, clear, put
from tests.mesh.edited_stack import EditedStack, with_args

pytestmark = pytest.mark.mesh

SERVICE = {"protocol": "http"}
EXTERNAL = {"protocol": "tcp", "service_defaults": {"Destination": {"Addresses": ["db.example.com"], "Port": 5432}}}
SPLITTER = ("service-splitter", "front")


def program(**services: object) -> str:
    return f'MeshTracing("mesh", {{"collector": COLLECTOR, "services": {services}}})\n'


@pytest.fixture
def stack(programs: Programs, consul: Consul) -> Iterator[EditedStack]:
    clear(consul)
    names = ("web", "api")
    for name in names:
        consul.register({"Name": name, "Port": 8080})
    yield EditedStack(programs, consul.address)
    for name in names:
        consul.put(f"/v1/agent/service/deregister/{name}")
    consul.delete_config_entry(*SPLITTER)
    clear(consul)


def test_misspelt_service_is_reported_when_its_entry_is_new(stack: EditedStack) -> None:
    stack.edit(program(wbe=SERVICE, api=SERVICE))
    expected = 'consul-tracing: CT535: Consul\'s catalog has no instance of wbe (did you mean "web"?)'
    for output in (stack.project.preview_without_diff(), stack.project.up()):
        assert f"\n    {expected}" in output
        assert "warning: consul-tracing: CT535" not in output
    assert "CT535" not in stack.project.up()


@pytest.mark.parametrize("services", [{"orders": SERVICE}, {"api": SERVICE, "db": EXTERNAL}])
def test_services_of_a_new_mesh_and_destinations_are_not_reported(
    stack: EditedStack, services: dict[str, object]
) -> None:
    assert "CT535" not in stack.up(program(**services))


def test_service_of_a_splitter_is_not_reported(stack: EditedStack, consul: Consul) -> None:
    put(consul, MESH, Config={"protocol": "http"})
    put(consul, SPLITTER, Splits=[{"Weight": 100, "Service": "api"}])
    stack.edit(with_args(program(api=SERVICE, front=SERVICE), existing="adopt"))
    assert "CT535" not in stack.project.preview_without_diff()


def test_misspelling_is_reported_without_another_service(stack: EditedStack) -> None:
    assert "CT535" in stack.up(program(wbe=SERVICE))
