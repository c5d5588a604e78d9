import asyncio

import hypothesis
import pytest

from tests.unit.mocked_engine import Engine

# A busy machine would exceed the default deadline of 200 ms per example.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")

# As in Python 3.14, creating an Output without an event loop fails, also at import time.
asyncio.set_event_loop(None)


@pytest.fixture
def engine() -> Engine:
    return Engine()
