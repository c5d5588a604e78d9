"""The program in examples/per-service: its pod templates have the annotations of the outputs."""

import json

import pytest

from consul_tracing.names import PROXY_CONFIG_MAP
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.conftest import ProjectFactory

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("consul")]


def test_pods_carry_the_tracing_of_their_service(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    stack = project(CHECKOUT / "examples" / "per-service")
    stack.configure(cluster.configuration)
    stack.up()
    outputs = stack.output("proxy_annotations")
    for service in ("web", "api", "batch"):
        deployment = cluster.get("Deployment", service)
        assert deployment is not None
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        assert annotations[PROXY_CONFIG_MAP] == outputs[service][PROXY_CONFIG_MAP]
    assert json.loads(outputs["batch"][PROXY_CONFIG_MAP])["envoy_tracing_json"] == "{}"
    entry = consul.config_entry("proxy-defaults", "global")
    assert entry is not None
    assert '"service_name":"mesh"' in entry["Config"]["envoy_tracing_json"]
    stack.preview(expect_no_changes=True)
    stack.destroy()
