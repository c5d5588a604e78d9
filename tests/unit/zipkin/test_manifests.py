"""Manifests of `ZipkinCollector` for examples and for generated arguments."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given

from consul_tracing.inputs.kubernetes_types import bytes_of
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.zipkin.manifests import manifests
from consul_tracing.zipkin.pod import environment, java_options
from tests.unit.meshes import reordered
from tests.unit.zipkin_collectors import CASSANDRA, COLLECTORS, ELASTICSEARCH, EVERYTHING, settings

Objects = dict[str, dict[str, Any]]
DURABLE = {"storage": {"elasticsearch": ELASTICSEARCH}}


def rendered(args: dict[str, Any]) -> Objects:
    return manifests(settings(**args))


def pods(objects: Objects) -> Iterator[dict[str, Any]]:
    """Yield the pod templates of Zipkin and, if present, of the dependencies job."""
    yield objects["deployment"]["spec"]["template"]
    if "dependencies" in objects:
        yield objects["dependencies"]["spec"]["jobTemplate"]["spec"]["template"]


def container(args: dict[str, Any]) -> dict[str, Any]:
    (only,) = rendered(args)["deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(only)


def variables(args: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in environment(settings(**args))}


def leaves(value: Any) -> Iterator[Any]:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if members is None:
        yield value
    else:
        for member in members:
            yield from leaves(member)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("collector-in-memory", {}),
        ("collector-with-everything", EVERYTHING),
        (
            "collector-on-cassandra",
            {
                "storage": {
                    "cassandra": {
                        **CASSANDRA,
                        "credentials_secret": "cassandra",
                        "use_ssl": True,
                        "trust_store": {"secret": "authorities"},
                    }
                },
                "replicas": 2,
                "dependencies_job": {},
                "network_policy": {},
            },
        ),
    ],
)
def test_manifests_match_the_golden_file(name: str, args: dict[str, Any], golden: Callable[[str, Any], None]) -> None:
    golden(name, rendered(args))


@given(COLLECTORS)
def test_pods_meet_the_restricted_pod_security_standard(args: dict[str, Any]) -> None:
    for pod in pods(rendered(args)):
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        user = args.get("run_as_user", 1000)
        expected = {} if user is None else {"runAsUser": user, "runAsGroup": user}
        assert {key: value for key, value in security.items() if key.startswith("runAs")} == {
            "runAsNonRoot": True,
            **expected,
        }
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False
        for item in pod["spec"]["containers"]:
            assert item["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            assert {"name": "tmp", "mountPath": "/tmp"} in item["volumeMounts"]  # noqa: S108 - in the pod
            assert {mount["name"] for mount in item["volumeMounts"]} == {
                item["name"] for item in pod["spec"]["volumes"]
            }


@given(COLLECTORS)
def test_pods_have_no_sidecar_and_no_service_links(args: dict[str, Any]) -> None:
    for pod in pods(rendered(args)):
        assert pod["metadata"]["annotations"]["consul.hashicorp.com/connect-inject"] == "false"
        assert pod["spec"]["enableServiceLinks"] is False


@given(COLLECTORS)
def test_credentials_are_read_from_secrets(args: dict[str, Any]) -> None:
    for pod in pods(rendered(args)):
        for variable in pod["spec"]["containers"][0]["env"]:
            if "PASSWORD" in variable["name"] or "USERNAME" in variable["name"]:
                assert variable.keys() == {"name", "valueFrom"}
                assert variable["valueFrom"].keys() == {"secretKeyRef"}


@given(COLLECTORS)
def test_rollout_keeps_all_pods_available(args: dict[str, Any]) -> None:
    spec = rendered(args)["deployment"]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert ("replicas" in spec) is ("autoscaling" not in args)


@given(COLLECTORS)
def test_java_heap_fits_into_the_memory_limit(args: dict[str, Any]) -> None:
    for pod in pods(rendered(args)):
        (item,) = pod["spec"]["containers"]
        limit = bytes_of(item["resources"]["limits"]["memory"])
        assert item["resources"]["requests"]["memory"] == item["resources"]["limits"]["memory"]
        options = next(variable["value"] for variable in item["env"] if variable["name"] == "JAVA_OPTS")
        sizes = dict(option.split("x", 1) for option in options.split() if option.startswith("-Xmx"))
        heap = int(sizes["-Xm"].removesuffix("m")) * 2**20
        assert 48 * 2**20 <= heap <= limit - 192 * 2**20


@given(COLLECTORS)
def test_ports_of_zipkin_service_and_probes_match(args: dict[str, Any]) -> None:
    objects = rendered(args)
    (zipkin,) = objects["deployment"]["spec"]["template"]["spec"]["containers"]
    assert zipkin["ports"] == [{"name": "http", "containerPort": 9411, "protocol": "TCP"}]
    assert {zipkin[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "http"
    }
    assert objects["service"]["spec"]["ports"][0]["targetPort"] == "http"
    assert {"name": "QUERY_PORT", "value": "9411"} in zipkin["env"]


@given(COLLECTORS)
def test_service_selects_only_the_pods_of_zipkin(args: dict[str, Any]) -> None:
    objects = rendered(args)
    selected = objects["service"]["spec"]["selector"].items()
    zipkin, *job = pods(objects)
    assert selected == objects["deployment"]["spec"]["selector"]["matchLabels"].items()
    assert selected <= zipkin["metadata"]["labels"].items()
    assert all(not selected <= pod["metadata"]["labels"].items() for pod in job)
    assert {key for key, _ in selected} == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}


@given(COLLECTORS)
def test_objects_have_recommended_labels_and_the_namespace(args: dict[str, Any]) -> None:
    for manifest in rendered(args).values():
        metadata = manifest["metadata"]
        assert {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component", "part-of", "managed-by")} <= (
            metadata["labels"].keys()
        )
        assert metadata["labels"].items() >= args.get("labels", {}).items()
        assert metadata["namespace"] == args.get("namespace", "default")
        assert metadata["name"].startswith(args.get("service_name", "zipkin"))


@given(COLLECTORS)
def test_manifests_have_no_null_and_do_not_depend_on_key_order(args: dict[str, Any]) -> None:
    objects = rendered(args)
    assert None not in list(leaves(objects))
    reordered_objects = rendered(reordered(args))
    assert json.dumps(reordered_objects, sort_keys=True) == json.dumps(objects, sort_keys=True)


@given(COLLECTORS)
def test_network_policy_allows_egress_only_to_dns_and_storage(args: dict[str, Any]) -> None:
    policies = [item["spec"] for name, item in rendered(args).items() if name.endswith("network-policy")]
    for spec in policies:
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert all(rule["from"] and rule["ports"] == [{"protocol": "TCP", "port": 9411}] for rule in spec["ingress"])
        assert all(rule["ports"] for rule in spec["egress"])
    storage = settings(**args).storage.durable
    egress_ports = {port["port"] for spec in policies for rule in spec["egress"] for port in rule["ports"]}
    assert egress_ports == ({53, *storage.ports} if storage and policies else set())


def test_service_has_its_type_and_annotations() -> None:
    annotations = {"networking.gke.io/load-balancer-type": "Internal", "a": "the Service"}
    args = {"service": {"type": "LoadBalancer", "annotations": annotations}, "annotations": {"a": "every object"}}
    objects = rendered(args)
    assert objects["service"]["spec"]["type"] == "LoadBalancer"
    assert objects["service"]["metadata"]["annotations"] == annotations
    assert objects["deployment"]["metadata"]["annotations"] == {"a": "every object"}


def test_elasticsearch_variables_have_defaults() -> None:
    assert {name: value for name, value in variables(DURABLE).items() if name.startswith(("ES", "STORAGE"))} == {
        "STORAGE_TYPE": "elasticsearch",
        "ES_HOSTS": "https://es.example.com:9200",
        "ES_INDEX": "zipkin",
        "ES_INDEX_SHARDS": "5",
        "ES_INDEX_REPLICAS": "1",
        "ES_ENSURE_TEMPLATES": "true",
        "ES_TIMEOUT": "10000",
    }


def test_disabled_certificate_verification_is_passed_to_zipkin() -> None:
    unverified = {"storage": {"elasticsearch": {**ELASTICSEARCH, "verify_certificate": False}}}
    assert variables(unverified)["ES_SSL_NO_VERIFY"] == "true"


@pytest.mark.parametrize(("limit", "collector"), [("512Mi", "Serial"), ("1791Mi", "Serial"), ("2Gi", "G1")])
def test_garbage_collector_depends_on_the_memory_limit(limit: str, collector: str) -> None:
    assert f"-XX:+Use{collector}GC" in java_options(settings(resources={"memory_limit": limit}).resources).split()


def test_client_without_a_namespace_matches_all_namespaces() -> None:
    clients = [{"pod_labels": {"mesh": "yes"}}]
    spec = rendered({"network_policy": {"clients": clients}})["network-policy"]["spec"]
    assert spec["ingress"][0]["from"] == [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"mesh": "yes"}}},
    ]


def test_ingress_without_tls_has_no_tls_block() -> None:
    assert "tls" not in rendered({"ingress": {"host": "z.example.com", "tls": False}})["ingress"]["spec"]


def test_user_is_left_to_the_platform_in_the_inputs_of_a_mesh() -> None:
    """None is a value of `run_as_user` only; elsewhere it means that an input is not given."""
    args: Any = {"target": "kubernetes", "zipkin_collector": {"run_as_user": None, "image": None}}
    mesh = MeshSettings.of("mesh", args)
    assert mesh.zipkin_collector is not None
    security = manifests(mesh.zipkin_collector)["deployment"]["spec"]["template"]["spec"]["securityContext"]
    assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
