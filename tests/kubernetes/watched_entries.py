"""Observe the entries of a Consul during an update."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.consul import Consul
from tests.mesh.consul_entries import entries


@contextmanager
def watched(consul: Consul) -> Iterator[set[frozenset[tuple[str, str]]]]:
    """Yield the sets of entries that Consul has had inside the block."""
    observed, stopped = set[frozenset[tuple[str, str]]](), threading.Event()

    def watch() -> None:
        while not stopped.wait(0.01):
            observed.add(frozenset(entries(consul)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield observed
    finally:
        stopped.set()
        watcher.join()
