"""Event loops for programs that run on Pulumi's mocks."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager


@contextmanager
def event_loops() -> Iterator[None]:
    """Give an event loop to this thread and to each thread in which Pulumi's mocks answer; close them at the end.

    Without one, Pulumi makes its own and leaves them open, and Python may report errors when it collects them.
    """
    with ExitStack() as loops:

        def open_loop() -> asyncio.AbstractEventLoop:
            # `get_loop` also sets the loop as the thread's current one.
            return loops.enter_context(asyncio.Runner()).get_loop()

        loop = open_loop()
        loop.set_default_executor(ThreadPoolExecutor(initializer=open_loop))
        # Pulumi raises one failure of a program; asyncio would log it again for each Output that depends on it.
        loop.set_exception_handler(lambda *_: None)
        yield
