"""ZipkinCollector: Zipkin on Kubernetes as a Pulumi component."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import pulumi

from .backends.kubernetes.sdk import kubernetes_sdk
from .component import NO_ARGS, Component
from .inputs.args import ZipkinCollectorArgs
from .inputs.zipkin_collector_settings import ZipkinCollectorSettings
from .outputs import known, with_unknown
from .zipkin.manifests import manifests

if TYPE_CHECKING:
    from .names import JsonObject

TYPE_TOKEN = "consul-tracing:index:ZipkinCollector"  # noqa: S105 - Pulumi calls a type's name a token


class ZipkinCollector(Component):
    """Zipkin on Kubernetes: a Deployment, a Service, and optional objects.

    Raises InvalidInputError, before any resource is registered, for invalid arguments.
    """

    host: pulumi.Output[str]
    """DNS name of Zipkin in the cluster."""

    port: pulumi.Output[int]
    """Port of the Service."""

    url: pulumi.Output[str]
    """URL of Zipkin in the cluster."""

    warnings: pulumi.Output[list[str]]
    """Warnings about valid inputs with side effects. They are also logged."""

    def __init__(
        self,
        name: str,
        args: ZipkinCollectorArgs = NO_ARGS,
        opts: pulumi.ResourceOptions | None = None,
        **inputs: Unpack[ZipkinCollectorArgs],
    ) -> None:
        """Declare a Zipkin. `name` is the name of the resource in Pulumi.

        The inputs are the map `args`, keyword arguments, or both.
        """
        given = known(name, args, inputs)
        used = given.used()
        settings = ZipkinCollectorSettings.of(name, given.args)
        kubernetes = kubernetes_sdk("ZipkinCollector")
        super().__init__(TYPE_TOKEN, name, None, opts)
        options = pulumi.ResourceOptions(parent=self, depends_on=given.resources)
        self._objects: Mapping[str, pulumi.CustomResource] = {
            key: _register(kubernetes, f"{name}-{key}", with_unknown(manifest, used), options)
            for key, manifest in manifests(settings).items()
        }
        ready = pulumi.Output.all(*(self._objects[one].id for one in ("deployment", "service")))

        self.host = pulumi.Output.from_input(with_unknown(settings.host, used))
        self.port = pulumi.Output.from_input(settings.port)
        self.url = ready.apply(lambda _: settings.url)
        self.warnings = pulumi.Output.from_input(self.logged(settings.warnings()))
        self.register_outputs({output: getattr(self, output) for output in ZipkinCollector.__annotations__})

    @property
    def objects(self) -> Mapping[str, pulumi.CustomResource]:
        """The resources of Zipkin's objects, by their names after that of the component, such as `deployment`.

        For `depends_on` and `transforms`.
        """
        return self._objects


def _register(kubernetes: Any, resource_name: str, manifest: "JsonObject", options: pulumi.ResourceOptions) -> Any:  # noqa: ANN401 - untyped SDK
    """Register the object of a manifest."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    fields = {_python_name(field): value for field, value in manifest.items() if field not in {"apiVersion", "kind"}}
    if group == "monitoring.coreos.com":
        custom = kubernetes.apiextensions.CustomResource
        return custom(resource_name, api_version=manifest["apiVersion"], kind=manifest["kind"], opts=options, **fields)
    module = getattr(getattr(kubernetes, group.partition(".")[0] or "core"), version)
    return getattr(module, manifest["kind"])(resource_name, opts=options, **fields)


def _python_name(field: str) -> str:
    """Return the name of a Kubernetes field in Pulumi's Python SDK."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field)
