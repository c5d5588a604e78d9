"""The wiring of the collector's component, on Pulumi's mocks."""

import sys
from typing import Any

import pulumi
import pytest

from consul_tracing import InvalidInput
from consul_tracing.zipkin_collector import ZipkinCollector
from consul_tracing.zipkin_manifests import manifests
from tests.unit.mocked_engine import Engine
from tests.unit.zipkin_collectors import EVERYTHING, settings


def test_each_manifest_is_one_resource_as_it_is(engine: Engine) -> None:
    engine.run(lambda: ZipkinCollector("zipkin", EVERYTHING))  # type: ignore[arg-type]
    expected = {f"zipkin-{ending}": manifest for ending, manifest in manifests(settings(**EVERYTHING)).items()}
    children = {name: dict(args.inputs) for name, args in engine.registered.items() if name != "zipkin"}
    assert children == expected


def test_types_are_kubernetes_own(engine: Engine) -> None:
    engine.run(lambda: ZipkinCollector("zipkin", EVERYTHING))  # type: ignore[arg-type]
    assert {name: args.typ for name, args in engine.registered.items()} == {
        "zipkin": "consul-tracing:index:ZipkinCollector",
        "zipkin-service-account": "kubernetes:core/v1:ServiceAccount",
        "zipkin-deployment": "kubernetes:apps/v1:Deployment",
        "zipkin-service": "kubernetes:core/v1:Service",
        "zipkin-ingress": "kubernetes:networking.k8s.io/v1:Ingress",
        "zipkin-autoscaler": "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
        "zipkin-disruption-budget": "kubernetes:policy/v1:PodDisruptionBudget",
        "zipkin-network-policy": "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "zipkin-service-monitor": "kubernetes:monitoring.coreos.com/v1:ServiceMonitor",
        "zipkin-dependencies": "kubernetes:batch/v1:CronJob",
        "zipkin-dependencies-network-policy": "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    }


def test_children_belong_to_the_component(engine: Engine) -> None:
    collector: list[ZipkinCollector] = []
    engine.run(lambda: collector.append(ZipkinCollector("zipkin", {})))
    children = {child._name for child in collector[0]._childResources}  # noqa: SLF001 - told nowhere else
    assert children == {"zipkin-service-account", "zipkin-deployment", "zipkin-service"}


def test_outputs_tell_what_callers_need(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    told: dict[str, Any] = {}

    def program() -> Any:
        collector = ZipkinCollector("zipkin", {"namespace": "tracing"})
        names = ["host", "port", "url", "warnings"]
        return pulumi.Output.all(**{name: getattr(collector, name) for name in names}).apply(told.update)

    engine.run(program)
    assert told["host"] == "zipkin.tracing.svc.cluster.local"
    assert told["port"] == 9411
    assert told["url"] == "http://zipkin.tracing.svc.cluster.local:9411"
    assert told["warnings"] == settings().warnings()
    assert told["warnings"][0] in caplog.text


def test_nothing_is_registered_when_the_input_is_wrong(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match='an input of "zipkin" cannot be used\n  replicas: 2 need a storage'):
        engine.run(lambda: ZipkinCollector("zipkin", {"replicas": 2}))
    assert engine.registered == {}


def test_without_pulumi_kubernetes_its_absence_and_the_remedy_are_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pulumi_kubernetes", None)
    with pytest.raises(pulumi.RunError, match=r"pip install 'consul-tracing\[kubernetes\]'"):
        engine.run(lambda: ZipkinCollector("zipkin", {}))
    assert engine.registered == {}
