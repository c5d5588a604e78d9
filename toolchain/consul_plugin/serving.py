"""The plugin's process: a gRPC server on loopback whose port is the first line on standard output."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache as once

import grpc
from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

from .engine import end_with, introduce_to
from .provider import ConsulProvider

CALLS_AT_ONCE = 32
"""Pulumi asks for as many resources at once as its `--parallel` allows; more than this only wait for Consul."""

LARGEST_MESSAGE = 400 * 1024 * 1024
"""Bytes; the engine's own limit."""


def main(parent: int) -> None:
    """Serve until the engine says stop or is no more. `parent` is the process that started this one."""
    # The engine ends its plugins with SIGINT, which would otherwise leave a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    met_engine = once(introduce_to)
    server = grpc.server(
        ThreadPoolExecutor(CALLS_AT_ONCE),
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
        ],
    )
    add_ResourceProviderServicer_to_server(ConsulProvider(met_engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    if len(sys.argv) > 1:
        end_with(parent)
    server.wait_for_termination()
    os._exit(0)
