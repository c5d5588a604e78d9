"""`verify --agent` on a real mesh: the proxies of the local Consul agent, without their addresses."""

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pytest

from consul_tracing.sources import proxies
from consul_tracing.sources.processes import envoy_processes
from testbed.envoy import Envoy
from testbed.ports import LOOPBACK
from tests.mesh.traced_mesh import TRACED, TracedMesh
from tests.mesh.verify_runs import NONE, assert_causes, assert_complete, diagnosis, write

pytestmark = pytest.mark.mesh


def reading(sidecars: Sequence[Envoy]) -> Any:
    """Find only these Envoys. Those of other runs on this machine have the same ids, and other users' are not found."""
    admins = {f"{LOOPBACK}:{one.admin_port}" for one in sidecars}
    return patch.object(proxies, "envoy_processes", lambda: [one for one in envoy_processes() if one.admin in admins])


def test_all_proxies_of_the_agent_are_read(traced: TracedMesh) -> None:
    traced.apply(enabled=False)
    write(traced)
    with reading(traced.proxies):
        assert_causes(diagnosis(traced, "--agent", proxies=[]), "CT401", *TRACED)
        traced.follow()
        assert_complete(traced, "--agent", proxies=[])


def test_run_without_proxies_names_the_usual_causes_and_those_of_the_agent(traced: TracedMesh) -> None:
    """As on the first day: the tracer is written, and no sidecar has restarted."""
    traced.apply(enabled=False)
    write(traced)
    found = diagnosis(traced, proxies=[]).report
    assert found["causes"] == []
    assert found["notes"][0].endswith(
        "The local Consul agent has the proxies of api, client, web. Run consul-tracing stale --agent, and repeat this "
        "command with --agent"
    )
    traced.follow()


def test_proxy_whose_admin_interface_is_not_known_is_a_note(traced: TracedMesh) -> None:
    traced.apply(sampling={"random": 0})
    *others, api = traced.proxies
    with reading(others):
        notes = diagnosis(traced, NONE, "--agent", proxies=[]).report["notes"]
        unknown = f"{api.name}-sidecar-proxy cannot be read: its admin interface is not known. Set --admin HOST:PORT"
        assert [one for one in notes if one.startswith(unknown)]
        assert len(diagnosis(traced, NONE, "--agent", proxies=[api]).report["notes"]) == len(notes) - 1
    traced.apply()
