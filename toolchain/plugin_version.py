"""The version of a Pulumi plugin: it prints none, it reports it over gRPC."""

import subprocess
from functools import cache as once
from pathlib import Path
from threading import Timer

SECONDS_TO_START = 10.0
"""Time limit for a plugin to start and report its version."""

NO_ENGINE = "127.0.0.1:1"
"""The engine's address, which a plugin requires and does not use before the first operation."""


@once
def plugin_version(path: Path) -> str | None:
    """Start a plugin, ask for its version and end it. Return None when it reports none in time."""
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
    """Return the version that the plugin at this port of 127.0.0.1 reports; None when it reports none."""
    # They take a third of a second, and only a plugin on PATH needs them.
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
