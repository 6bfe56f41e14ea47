"""Places in the queue, counted before anything is awaited."""

from airboss.domain.errors import AirbossError
from airboss.ports.engine import Engine
from airboss.resilience.departures import DepartureRate


class Admission:
    """Lets in at most `capacity` due pending jobs, exactly, however many ask at once."""

    def __init__(self, engine: Engine, departures: DepartureRate, capacity: int) -> None:
        self._engine = engine
        self._departures = departures
        self._capacity = capacity
        self._reserved = 0

    @property
    def capacity(self) -> int:
        return self._capacity

    def take_place(self) -> None:
        """Hold a place until the job is in the engine; raises `queue_full`.

        A spawn that checks, then awaits its store, then queues lets others in between: the place is taken
        before the first await and given back when the engine counts the job itself, or it failed.
        """
        pending = self._engine.depth() + self._reserved
        if pending >= self._capacity:
            seconds = self._departures.retry_after_seconds()
            raise AirbossError(
                "queue_full",
                f"{pending} jobs are pending; try again in {seconds} s",
                details={"pending": pending, "capacity": self._capacity},
                retry_after_seconds=seconds,
            )
        self._reserved += 1

    def give_back(self) -> None:
        self._reserved -= 1
