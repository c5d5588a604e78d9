"""A public listener that replaces Consul's is traced by its own tracing block only."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.ports import LOOPBACK
from tests.mesh.traced_mesh import TracedMesh, span_names
from tests.unit.inputs.test_tracers import TYPE, manager

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

CALLERS = [("client", "CLIENT"), ("web", "CLIENT"), ("web", "SERVER")]


@pytest.fixture
def restored(traced: TracedMesh) -> Iterator[TracedMesh]:
    """The mesh. Teardown restores the listener of api's sidecar."""
    yield traced
    traced.mesh.consul.register(traced.mesh.instances["api"].registration)
    traced.mesh.restart_sidecars("api")


def replace_listener(mesh: TracedMesh, **fields: Any) -> None:
    """Replace the public listener of api's sidecar by one with these fields in its HTTP connection manager."""
    instance = mesh.mesh.instances["api"]
    host = {"name": "app", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "local_app"}}]}
    config = manager(route_config={"name": "public", "virtual_hosts": [host]}, **fields)
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": config}]
    address = {"socket_address": {"address": LOOPBACK, "port_value": instance.sidecar_port}}
    listener = {"@type": f"{TYPE}envoy.config.listener.v3.Listener", "name": "public_listener:own", "address": address}
    registration = instance.registration
    registration["Connect"]["SidecarService"]["Proxy"]["Config"] = {
        "Envoy_Public_Listener_Json": json.dumps({**listener, "filter_chains": [{"filters": filters}]})
    }
    mesh.mesh.consul.register(registration)
    mesh.mesh.restart_sidecars("api")


def spans(mesh: TracedMesh, count: int) -> list[tuple[str, str]]:
    """Send a request, and return its spans when this number has arrived."""
    return span_names(mesh.spans_of(mesh.request(), count))


def test_replaced_listener_is_traced_by_its_own_block_only(restored: TracedMesh) -> None:
    restored.apply()
    replace_listener(restored)
    assert spans(restored, 3) == CALLERS
    assert not any(restored.mesh.sidecars["api"].stats("tracing.zipkin.spans_sent").values())
    replace_listener(restored, tracing={"random_sampling": {"value": 100}})
    assert spans(restored, 4) == [("api", "SERVER"), *CALLERS]
