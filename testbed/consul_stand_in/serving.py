"""Process of the plugin: a gRPC server on loopback whose port is the first line of standard output."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc
from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

from . import INTRODUCTION
from .provider import ConsulProvider

CONCURRENT_CALLS = 32
"""Limit of concurrent calls. Consul is the bottleneck beyond this number."""

MESSAGE_LIMIT = 400 * 1024 * 1024
"""Limit of a message in bytes, equal to the limit of the engine."""

ENGINE_CHECK_SECONDS = 0.25
INTRODUCTION_SECONDS = 5.0


def main(engine: int) -> None:
    """Serve until the engine, the process that started this one, ends or stops it."""
    # The engine stops plugins with SIGINT, which would otherwise print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    limits = [(f"grpc.max_{direction}_message_length", MESSAGE_LIMIT) for direction in ("receive", "send")]
    server = grpc.server(ThreadPoolExecutor(CONCURRENT_CALLS), options=limits)
    add_ResourceProviderServicer_to_server(ConsulProvider(introduce), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # A killed engine does not stop its plugins.
    while os.getppid() == engine:
        time.sleep(ENGINE_CHECK_SECONDS)
    os._exit(1)


def introduce(engine_address: str) -> None:
    """Log through the engine that this is not the official plugin, without delaying the run."""
    threading.Thread(target=log_introduction, args=(engine_address,), daemon=True).start()


def log_introduction(engine_address: str) -> None:
    """Log the introduction. An unreachable engine is ignored."""
    line = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=INTRODUCTION)
    try:
        with grpc.insecure_channel(engine_address) as channel:
            engine_pb2_grpc.EngineStub(channel).Log(line, timeout=INTRODUCTION_SECONDS)
    except grpc.RpcError:
        return
