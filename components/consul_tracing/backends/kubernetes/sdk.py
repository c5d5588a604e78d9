"""The optional dependencies of `consul-tracing[kubernetes]`."""

from typing import Any

from consul_tracing.errors import message, numbered
from consul_tracing.run_errors import MissingDependencyError


def kubernetes_sdk(feature: str) -> Any:  # noqa: ANN401 - a module
    """Return Pulumi's SDK for Kubernetes. Raises MissingDependencyError if it or the client is not installed.

    `feature`: the input or component that requires it.
    """
    try:
        import kubernetes  # noqa: F401, PLC0415
        import pulumi_kubernetes  # noqa: PLC0415
    except ImportError as missing:
        raise MissingDependencyError(
            message(
                "CT103",
                f"{feature} requires {missing.name}, which is not installed",
                *numbered(["pip install 'consul-tracing[kubernetes]'"]),
            )
        ) from None
    return pulumi_kubernetes
