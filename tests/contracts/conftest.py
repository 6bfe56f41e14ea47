"""The store contract runs once for every adapter."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.events import EventRecorder
from tests.support.stores import ADAPTERS, make_store

from airboss.ports.store import Store


@pytest.fixture(params=ADAPTERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return make_store(request.param, tmp_path)


@pytest.fixture
async def recorder(store: Store) -> AsyncIterator[EventRecorder]:
    """Open the store and keep what it publishes."""
    recorder = EventRecorder()
    await store.open(recorder.publish)
    yield recorder
    await store.close()
