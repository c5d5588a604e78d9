"""Values that are not known before the `up` creates a resource, and constructors that fail."""

import pytest

from testbed.consul import Consul
from testbed.processes import Programs
from tests.mesh.consul_entries import MESH, WEB, entries, live, put, rejection
from tests.mesh.edited_stack import PLAIN, EditedStack

pytestmark = pytest.mark.mesh

OTHER = ("service-defaults", "other")

LATE = """
content = json.dumps({{"Expose": {{}}, "MeshGateway": {{}}, "Protocol": "tcp", "TransparentProxy": {{}}}})
other = pulumi_consul.ConfigEntry("other", kind="service-defaults", name="other", config_json=content)
COLLECTOR["host"] = other.id.apply(lambda _: {host!r})
mesh = MeshTracing("mesh", {{"collector": COLLECTOR, "services": {{"web": {{"protocol": "http"}}}}}})
for output in ("bootstrap_hash", "collector_url", "services"):
    pulumi.export(output, getattr(mesh, output))
"""

LATE_PROVIDER = """
content = json.dumps({{"Expose": {{}}, "MeshGateway": {{}}, "Protocol": "tcp", "TransparentProxy": {{}}}})
other = pulumi_consul.ConfigEntry("other", kind="service-defaults", name="other", config_json=content)
consul = pulumi_consul.Provider("consul", address=other.id.apply(lambda _: {address!r}))
mesh = MeshTracing("mesh", {{"collector": COLLECTOR, "services": {{"web": {{"protocol": "http"}}}}}},
                   pulumi.ResourceOptions(providers=[consul]))
"""


def test_host_that_the_up_creates_is_unknown_in_the_preview_only(programs: Programs, consul: Consul) -> None:
    stack = EditedStack(programs, consul.address)
    stack.edit(LATE.format(host="zipkin"))
    plan = stack.project.preview()
    assert "unresolved" not in plan
    assert 'name      : "web"' in plan
    assert "collector_url : [unknown]" in plan
    assert "bootstrap_hash: [unknown]" in plan
    stack.project.up()
    assert "zipkin" in live(consul)["Config"]["envoy_extra_static_clusters_json"]
    assert stack.project.output("collector_url") == "http://zipkin:9411/api/v2/spans"
    mesh = next(one for one in stack.project.resources() if one["urn"].endswith("::mesh-proxy-defaults"))
    assert mesh["propertyDependencies"]["configJson"] == [stack.urn("other")]
    stack.project.preview(expect_no_changes=True)


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("http://hush:9411", "collector.host: must be a host name or IP address, got a URL"),
        (None, "collector.host: is required"),
    ],
)
def test_invalid_host_that_the_up_creates_is_rejected_before_a_write(
    programs: Programs, consul: Consul, host: object, reason: str
) -> None:
    stack = EditedStack(programs, consul.address)
    stack.edit(LATE.format(host=host))
    assert reason in rejection(stack.project)
    assert entries(consul) == {OTHER}


def test_secret_host_that_the_up_creates_is_rejected_before_a_write(programs: Programs, consul: Consul) -> None:
    stack = EditedStack(programs, consul.address)
    stack.edit(LATE.format(host="hush").replace("other.id.", "pulumi.Output.secret(other.id)."))
    output = rejection(stack.project)
    assert "CT101" in output
    assert "collector.host: must be a plain value, got a secret" in output
    assert "hush" not in output
    assert entries(consul) == {OTHER}


def test_provider_that_the_up_creates_is_reported_in_the_preview_and_used_in_the_up(
    programs: Programs, consul: Consul
) -> None:
    stack = EditedStack(programs, consul.address)
    stack.edit(LATE_PROVIDER.format(address=consul.address))
    output = stack.project.preview_without_diff()
    assert "CT508: Consul cannot be read yet" in output
    assert "pulumi up stops if it still cannot read it" in output
    assert "the provider is not known yet, because this update creates it" in output
    stack.project.up()
    assert entries(consul) == {MESH, WEB, OTHER}
    stack.project.preview(expect_no_changes=True)


def test_drift_advice_is_true_in_an_update_that_refreshes(programs: Programs, consul: Consul) -> None:
    stack = EditedStack(programs, consul.address)
    stack.up(PLAIN)
    before = live(consul, WEB)
    put(consul, WEB, **{**before, "Protocol": "tcp"})
    output = stack.up(PLAIN, "--refresh")
    assert live(consul, WEB)["Protocol"] == "http"
    assert "CT506" in output
    assert "pulumi up --refresh restores the declared values." in output
    assert "To restore" not in output
