"""Version of a Pulumi plugin, which reports it over gRPC only."""

import subprocess
from functools import cache
from pathlib import Path
from threading import Timer

SECONDS_TO_START = 10.0
"""Time limit for a plugin to start and report its version."""

NO_ENGINE = "127.0.0.1:1"
"""Placeholder for the address of the engine: a plugin requires one but does not use it before the first operation."""


@cache
def plugin_version(path: Path) -> str | None:
    """Start a plugin, query its version and end it. Return None if it reports none in time."""
    try:
        plugin = subprocess.Popen(
            [path, NO_ENGINE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except OSError:
        return None
    with plugin:
        limit = Timer(SECONDS_TO_START, plugin.kill)
        limit.start()
        try:
            port = plugin.stdout.readline().strip() if plugin.stdout else ""
            return reported_version(int(port)) if port.isdecimal() else None
        finally:
            limit.cancel()
            plugin.kill()


def reported_version(port: int) -> str | None:
    """Query the plugin on this port of 127.0.0.1. Return None if it reports no version."""
    # Imported here because these imports take a third of a second and are rarely used.
    import grpc  # noqa: PLC0415
    from google.protobuf.empty_pb2 import Empty  # noqa: PLC0415
    from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub  # noqa: PLC0415

    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            info = ResourceProviderStub(channel).GetPluginInfo(Empty(), timeout=SECONDS_TO_START, wait_for_ready=True)
        except grpc.RpcError:
            return None
    version = str(info.version).removeprefix("v")
    return version if version[:1].isdigit() else None
