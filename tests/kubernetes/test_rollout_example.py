"""Rollouts of the program in examples/rollout."""

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.conftest import ProjectFactory

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("consul")]


def test_collector_change_restarts_the_pods_and_sampling_change_does_not(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    stack = project(CHECKOUT / "examples" / "rollout")

    def revision(**config: object) -> str:
        stack.configure({**cluster.configuration, **{f"rollout:{key}": value for key, value in config.items()}})
        stack.up()
        deployment = cluster.get("Deployment", "web")
        assert deployment is not None
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        assert annotations["consul-tracing/bootstrap-hash"] == stack.output("bootstrap_hash")
        current: str = deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        return current

    first = revision()
    assert revision(sampling=50) == first
    entry = consul.config_entry("proxy-defaults", "global")
    assert entry is not None
    assert '"random_sampling":{"value":50}' in entry["Config"]["envoy_listener_tracing_json"]
    assert revision(sampling=50, collector="zipkin.example.com") != first
    stack.destroy()
