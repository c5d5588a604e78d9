"""`consul-tracing lint --kubernetes` with the custom resources of a real cluster."""

import json
import sys

import pytest

from testbed.kubernetes import Cluster
from testbed.processes import ProgramFailedError, Programs
from tests.kubernetes.mesh_objects import unmanaged_proxy_defaults

pytestmark = pytest.mark.kubernetes


def lint(programs: Programs, cluster: Cluster) -> tuple[int, list[tuple[str, str]]]:
    """Run the command, and return its exit code, and the code and the entry of each finding."""
    command = [sys.executable, "-m", "consul_tracing.cli", "lint", "--kubernetes", "--format=json"]
    environment = {"KUBECONFIG": str(cluster.kubeconfig)}
    try:
        code, output = 0, programs.run("consul-tracing lint", command, environment=environment)
    except ProgramFailedError as error:
        code, output = error.exit_code, error.output
    return code, [(one["code"], one["entry"]) for one in json.loads(output)["findings"]]


@pytest.mark.usefixtures("consul")
def test_live_object_is_checked(programs: Programs, cluster: Cluster) -> None:
    assert lint(programs, cluster) == (0, [])
    cluster.create(unmanaged_proxy_defaults(config={"envoy_extra_static_clusters_json": '{"name": "self_admin"}'}))
    assert lint(programs, cluster) == (1, [("CT311", "proxy-defaults/global")])
