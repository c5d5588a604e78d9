"""Event loops for programs that run with Pulumi's mocks."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager


@contextmanager
def event_loops() -> Iterator[None]:
    """Open an event loop in this thread and in each thread of Pulumi's mocks, and close them at the end.

    Pulumi would otherwise create loops without closing them, which Python reports as errors.
    """
    with ExitStack() as loops:

        def open_loop() -> asyncio.AbstractEventLoop:
            # `get_loop` also sets the loop as the thread's current one.
            return loops.enter_context(asyncio.Runner()).get_loop()

        loop = open_loop()
        # Pulumi raises the failure of a program. asyncio would also log it for each dependent Output.
        loop.set_exception_handler(lambda *_: None)
        # Threads that still run after a failure use their loops, so they end first.
        with ThreadPoolExecutor(initializer=open_loop) as threads:
            loop.set_default_executor(threads)
            yield
