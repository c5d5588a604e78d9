"""The optional extra `consul-tracing[kubernetes]`, which programs that write to Consul's API alone need not install."""

from typing import Any

import pulumi


def kubernetes_sdk(what: str) -> Any:  # noqa: ANN401 - a module of thousands of classes, found by the names in a manifest
    """Pulumi's SDK for Kubernetes; the client that reads a cluster is then there as well.

    Raises pulumi.RunError, naming `what` needs it, where it is not installed.
    """
    try:
        import kubernetes  # noqa: F401, PLC0415
        import pulumi_kubernetes  # noqa: PLC0415
    except ImportError as missing:
        raise pulumi.RunError(
            f"consul-tracing: {what} needs {missing.name}, which is not installed\n"
            "  pip install 'consul-tracing[kubernetes]'"
        ) from None
    return pulumi_kubernetes
