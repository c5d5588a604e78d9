"""The Pulumi engine that started this plugin: to tell it who we are, and not to outlive it."""

import os
import tempfile
import threading
import time
from pathlib import Path

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from . import PLUGIN_VERSION

INTRODUCTION = (
    f"consul-tracing stand-in for pulumi-resource-consul {PLUGIN_VERSION}: "
    "ConfigEntry, getConfigEntry and getServices only"
)
SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_TO_INTRODUCE = 5.0
MARK_PREFIX = "consul-tracing-stand-in-"


def end_with(parent: int) -> None:
    """End this process as soon as `parent`, the engine, is no more.

    A killed engine cannot say goodbye, and its plugins would live on for ever.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="engine watch").start()


def introduce_to(address: str) -> None:
    """Tell the user, through the engine, that this is not the official plugin: once in a run, without delaying it."""
    threading.Thread(target=log_introduction, args=(address,), daemon=True, name="introduction").start()


def log_introduction(address: str) -> None:
    """Send the line, unless another plugin process of the same run has."""
    if not first_of_this_run(Path(tempfile.gettempdir()), os.getppid()):
        return
    line = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=INTRODUCTION)
    try:
        with grpc.insecure_channel(address) as channel:
            engine_pb2_grpc.EngineStub(channel).Log(line, timeout=SECONDS_TO_INTRODUCE)
    except grpc.RpcError:
        return  # An engine that does not listen has no user to tell.


def first_of_this_run(marks: Path, engine: int) -> bool:
    """Tell whether this is the run's first plugin process; a preview and its update each start theirs.

    Only a file can tell: the processes follow one another. Marks of runs that have ended are swept away.
    """
    for mark in marks.glob(f"{MARK_PREFIX}*"):
        process, _, birth = mark.name.removeprefix(MARK_PREFIX).partition("-")
        if born(process) != birth:
            remove(mark)
    try:
        (marks / f"{MARK_PREFIX}{engine}-{born(str(engine))}").touch(exist_ok=False)
    except OSError:
        return False
    return True


def born(process: str) -> str:
    """Return when a process started, in ticks: two processes may have had the same number. Empty when there is none."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    # The program's name stands in parentheses and may hold anything; the start is the 20th field behind it.
    return status.rpartition(")")[2].split()[19]


def remove(mark: Path) -> None:
    """Remove a mark; one that is another user's, or already gone, is none of our business."""
    try:
        mark.unlink(missing_ok=True)
    except OSError:
        return
