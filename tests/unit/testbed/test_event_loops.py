import asyncio
from concurrent.futures import Future
from threading import Event

from testbed.event_loops import event_loops


def test_threads_end_before_their_loops_are_closed() -> None:
    """After the failure of one thread, a program ends while the others still run."""
    running = Event()
    result: Future[str] = Future()

    async def slow() -> str:
        running.set()
        await asyncio.sleep(0.1)
        return "finished"

    def in_thread() -> None:
        result.set_result(asyncio.get_event_loop().run_until_complete(slow()))

    with event_loops():
        asyncio.get_event_loop().run_in_executor(None, in_thread)
        running.wait()
    assert result.result(timeout=0) == "finished"
