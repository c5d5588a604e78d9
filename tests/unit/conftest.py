import asyncio

import pytest

from tests.unit.mocked_engine import Engine

# As in Python 3.14: an Output that is made without an event loop fails, at import time too.
asyncio.set_event_loop(None)


@pytest.fixture
def engine() -> Engine:
    return Engine()
