"""Distributed tracing for a Consul service mesh, as one Pulumi component."""

from .args import (
    CollectorArgs,
    DatadogArgs,
    MeshTracingArgs,
    OpenTelemetryArgs,
    SamplingArgs,
    ServiceArgs,
    TagArgs,
    TlsArgs,
    TracerArgs,
    ZipkinArgs,
)
from .errors import InvalidInput, Problem, Refused, WrongOutput
from .mesh_tracing import MeshTracing
from .stack_config import mesh_args, protected

__all__ = [
    "CollectorArgs",
    "DatadogArgs",
    "InvalidInput",
    "MeshTracing",
    "MeshTracingArgs",
    "OpenTelemetryArgs",
    "Problem",
    "Refused",
    "SamplingArgs",
    "ServiceArgs",
    "TagArgs",
    "TlsArgs",
    "TracerArgs",
    "WrongOutput",
    "ZipkinArgs",
    "mesh_args",
    "protected",
]
