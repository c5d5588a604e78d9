"""The optional dependencies of `consul-tracing[kubernetes]`."""

from typing import Any

from consul_tracing.codes import install_command
from consul_tracing.errors import fix, message
from consul_tracing.run_errors import MissingDependencyError


def kubernetes_client() -> Any:  # noqa: ANN401 - a module
    """Return the client of the Kubernetes API. Its import takes a second."""
    import kubernetes  # noqa: PLC0415

    return kubernetes


def kubernetes_sdk(feature: str) -> Any:  # noqa: ANN401 - a module
    """Return Pulumi's SDK for Kubernetes. Raises MissingDependencyError if it or the client is not installed.

    `feature`: the input or component that requires it.
    """
    try:
        kubernetes_client()
        import pulumi_kubernetes  # noqa: PLC0415
    except ImportError as missing:
        raise MissingDependencyError(
            message(
                "CT103",
                *fix(
                    f"{feature} requires {missing.name}, which is not installed",
                    install_command("kubernetes"),
                ),
            )
        ) from None
    return pulumi_kubernetes
