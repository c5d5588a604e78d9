"""Distributed tracing for a Consul service mesh, as Pulumi components.

The names are imported at their first use: Pulumi takes half a second, and the command line does not need it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .entries.registrations import annotations_of
    from .envoy import environment_of
    from .errors import Problem
    from .inputs.args import (
        AccessLogsArgs,
        AutoscalingArgs,
        CassandraStorageArgs,
        CollectorArgs,
        CollectorServiceArgs,
        DatadogArgs,
        DependenciesJobArgs,
        DisruptionBudgetArgs,
        ElasticsearchStorageArgs,
        Existing,
        IngressArgs,
        MemoryStorageArgs,
        MeshTracingArgs,
        MetadataArgs,
        NetworkPolicyArgs,
        OpenTelemetryArgs,
        PeerArgs,
        Protocol,
        ResourcesArgs,
        SamplingArgs,
        SchedulingArgs,
        SecretKeyArgs,
        ServiceArgs,
        ServiceMonitorArgs,
        ServiceProtocolsArgs,
        ServiceTracingArgs,
        SpanArgs,
        StorageArgs,
        TagArgs,
        Target,
        TlsArgs,
        TracerArgs,
        TrustStoreArgs,
        ZipkinArgs,
        ZipkinCollectorArgs,
    )
    from .mesh_tracing import MeshTracing
    from .run_errors import ConflictError, InvalidInputError, SyncError
    from .service_protocols import ServiceProtocols
    from .stack_config import args_from_config, protect_from_config
    from .zipkin_collector import ZipkinCollector
else:
    _MODULES = (
        "errors",
        "run_errors",
        "envoy",
        "entries.registrations",
        "stack_config",
        "inputs.args",
        "mesh_tracing",
        "service_protocols",
        "zipkin_collector",
    )

    def __getattr__(name: str) -> object:
        if name in __all__:
            for module in _MODULES:
                if hasattr(found := import_module(f".{module}", __name__), name):
                    globals()[name] = getattr(found, name)
                    return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]


__all__ = [
    "AccessLogsArgs",
    "AutoscalingArgs",
    "CassandraStorageArgs",
    "CollectorArgs",
    "CollectorServiceArgs",
    "ConflictError",
    "DatadogArgs",
    "DependenciesJobArgs",
    "DisruptionBudgetArgs",
    "ElasticsearchStorageArgs",
    "Existing",
    "IngressArgs",
    "InvalidInputError",
    "MemoryStorageArgs",
    "MeshTracing",
    "MeshTracingArgs",
    "MetadataArgs",
    "NetworkPolicyArgs",
    "OpenTelemetryArgs",
    "PeerArgs",
    "Problem",
    "Protocol",
    "ResourcesArgs",
    "SamplingArgs",
    "SchedulingArgs",
    "SecretKeyArgs",
    "ServiceArgs",
    "ServiceMonitorArgs",
    "ServiceProtocols",
    "ServiceProtocolsArgs",
    "ServiceTracingArgs",
    "SpanArgs",
    "StorageArgs",
    "SyncError",
    "TagArgs",
    "Target",
    "TlsArgs",
    "TracerArgs",
    "TrustStoreArgs",
    "ZipkinArgs",
    "ZipkinCollector",
    "ZipkinCollectorArgs",
    "annotations_of",
    "args_from_config",
    "environment_of",
    "protect_from_config",
]
