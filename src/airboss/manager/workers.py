"""A fixed number of workers that pull."""

import asyncio
from collections.abc import Awaitable, Callable

from airboss.domain.errors import StorageUnavailableError
from airboss.ports.clock import Clock
from airboss.ports.engine import Engine, QueueEntry
from airboss.ports.log import Log

#: Runs one entry to the end of its attempt.
RunEntry = Callable[[QueueEntry], Awaitable[None]]
_STORAGE_PAUSE_SECONDS = 1.0
#: How long work that was told to end may take to say so, before its worker is cancelled.
_STOP_SECONDS = 0.9


class WorkerPool:
    """Each worker takes an entry, runs it to its end and takes the next: the slots are the workers."""

    def __init__(self, engine: Engine, run: RunEntry, *, size: int, clock: Clock, log: Log) -> None:
        self._engine = engine
        self._run = run
        self._size = size
        self._clock = clock
        self._log = log
        self._idle: set[asyncio.Task[None]] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._taking = False

    @property
    def size(self) -> int:
        return self._size

    @property
    def is_taking(self) -> bool:
        return self._taking

    async def start(self) -> None:
        """Take work; also after `rest`."""
        if self._idle and not self._taking:
            # They were told to go and have not gone yet: counted in, they would be missing later.
            await asyncio.wait(self._idle)
        self._taking = True
        for number in range(self._size - len(self._workers)):
            worker = asyncio.create_task(self._work(), name=f"worker {number}")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    def rest(self) -> None:
        """Take no new work; what runs goes on."""
        self._taking = False
        for worker in self._idle:
            worker.cancel()

    async def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until every worker has ended its job; False where the time ran out."""
        if not self._workers:
            return True
        _, running = await asyncio.wait(self._workers, timeout=timeout_seconds)
        return not running

    async def stop(self) -> None:
        """End every worker; one that is about to write down how its job ended is let do so."""
        self.rest()
        await self.wait_idle(_STOP_SECONDS)
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await asyncio.wait(self._workers)

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - a coroutine runs in a task
        while self._taking:
            self._idle.add(me)
            try:
                entry = await self._engine.take()
            except asyncio.CancelledError:
                return
            finally:
                self._idle.discard(me)
            await self._run_entry(entry)

    async def _run_entry(self, entry: QueueEntry) -> None:
        try:
            await self._run(entry)
        except StorageUnavailableError as error:
            # The job is still pending on disk: ring again when the store may be back.
            self._log.warning("worker.storage_unavailable", job_id=entry.job_id, error=str(error))
            await self._clock.sleep(_STORAGE_PAUSE_SECONDS)
            self._engine.offer(entry)
        except Exception as error:  # noqa: BLE001 - a job that breaks its worker must not cost a slot
            self._log.error("worker.broke", job_id=entry.job_id, error=error)
        finally:
            self._engine.release(entry)
