"""The preview names the objects that rely on a protocol, which consul-k8s could not write into Consul."""

from typing import Any

import pytest

from testbed.consul import Consul
from testbed.kubernetes import Cluster
from testbed.processes import ProgramFailedError
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import stack_config
from tests.mesh.consul_entries import entries

pytestmark = pytest.mark.kubernetes

RELYING: dict[str, dict[str, Any]] = {
    "ServiceRouter": {"routes": [{"match": {"http": {"pathPrefix": "/"}}, "destination": {"service": "web"}}]},
    "ServiceSplitter": {"splits": [{"weight": 100, "service": "web"}]},
    "ServiceIntentions": {
        "destination": {"name": "web"},
        "sources": [{"name": "*", "permissions": [{"action": "allow", "http": {"pathPrefix": "/"}}]}],
    },
    "IngressGateway": {"listeners": [{"port": 8080, "protocol": "http", "services": [{"name": "web"}]}]},
}


def test_preview_names_the_objects_that_rely_on_a_protocol(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    assert not entries(consul)
    front = {"front": {"protocol": "http"}}
    stack = project(configuration=stack_config(cluster, services={"web": {"protocol": "http"}, **front}))
    stack.up()
    for kind, spec in RELYING.items():
        cluster.apply(
            {
                "apiVersion": "consul.hashicorp.com/v1alpha1",
                "kind": kind,
                "metadata": {"name": "front", "namespace": "default"},
                "spec": spec,
            }
        )
    stack.configure(stack_config(cluster, services={"web": {"protocol": "tcp"}, **front}))
    with pytest.raises(ProgramFailedError) as rejected:
        stack.preview()
    for entry in ("service-router/front", "service-splitter/front", "service-intentions/web", "ingress-gateway/front"):
        assert f"web: http → tcp, on which {entry} relies" in rejected.value.output
    cluster.delete_all(*RELYING)
    assert "web: http → tcp" in stack.up()
    stack.configure(stack_config(cluster, services={"web": {"protocol": "tcp"}}))
    assert "front: http → tcp, no longer declared" in stack.preview_without_diff()
    assert "front: http → tcp, no longer declared" in stack.up()
    assert "CT534" not in stack.up()
