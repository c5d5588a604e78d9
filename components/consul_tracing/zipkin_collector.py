"""ZipkinCollector: Zipkin on Kubernetes as a Pulumi component."""

from typing import TYPE_CHECKING, Any

import pulumi

from .collector_args import ZipkinCollectorArgs
from .extra import kubernetes_sdk

if TYPE_CHECKING:
    from .fields import JsonObject

TYPE_TOKEN = "consul-tracing:index:ZipkinCollector"  # noqa: S105 - Pulumi calls a type's name a token


class ZipkinCollector(pulumi.ComponentResource):
    """Zipkin on Kubernetes: a Deployment, a Service, and what else is wished for.

    Raises InvalidInput, before anything is registered, for arguments that cannot work.
    """

    host: pulumi.Output[str]
    """Zipkin's name in the cluster's DNS."""

    port: pulumi.Output[int]
    """The port that it listens on."""

    url: pulumi.Output[str]
    """Where it answers within the cluster."""

    warnings: pulumi.Output[list[str]]
    """What works and yet is worth knowing; also logged."""

    def __init__(self, name: str, args: ZipkinCollectorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the collector of `args` under the resource name `name`."""
        # Here, since they load pydantic: a program that declares no collector does not pay for it.
        from .collector_settings import ZipkinCollectorSettings  # noqa: PLC0415
        from .zipkin_manifests import manifests  # noqa: PLC0415

        settings = ZipkinCollectorSettings.of(name, args)
        kubernetes = kubernetes_sdk("ZipkinCollector")
        super().__init__(TYPE_TOKEN, name, None, opts)
        for ending, manifest in manifests(settings).items():
            _declare(kubernetes, f"{name}-{ending}", manifest, self)

        self.host = pulumi.Output.from_input(settings.host)
        self.port = pulumi.Output.from_input(settings.port)
        self.url = pulumi.Output.from_input(settings.url)
        self.warnings = pulumi.Output.from_input(settings.warnings())
        for warning in settings.warnings():
            pulumi.log.warn(warning, self)
        self.register_outputs({output: getattr(self, output) for output in ZipkinCollector.__annotations__})


def _declare(kubernetes: Any, resource_name: str, manifest: "JsonObject", parent: pulumi.Resource) -> None:  # noqa: ANN401
    """Declare the object of `manifest` as a child of `parent`."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    options = pulumi.ResourceOptions(parent=parent)
    fields = {_python_name(field): value for field, value in manifest.items() if field not in {"apiVersion", "kind"}}
    if group == "monitoring.coreos.com":
        custom = kubernetes.apiextensions.CustomResource
        custom(resource_name, api_version=manifest["apiVersion"], kind=manifest["kind"], opts=options, **fields)
        return
    module = getattr(getattr(kubernetes, group.partition(".")[0] or "core"), version)
    getattr(module, manifest["kind"])(resource_name, opts=options, **fields)


def _python_name(field: str) -> str:
    """A field of Kubernetes as Pulumi's Python SDK calls it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field)
