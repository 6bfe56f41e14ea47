"""Prometheus metrics. Labels come from configuration, never from callers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from airboss.domain.event_types import EventType
from airboss.domain.events import Event

_OUTCOMES = {
    EventType.JOB_SPAWNED.value: "spawned",
    EventType.JOB_COMPLETED.value: "completed",
    EventType.JOB_FAILED.value: "failed",
    EventType.JOB_CANCELLED.value: "cancelled",
    EventType.JOB_TIMED_OUT.value: "timed_out",
}
_WAIT_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600)
_DURATION_BUCKETS = (0.001, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600)
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is read at a scrape; by agent where it says so."""

    jobs_running: Mapping[str, int]
    queue_depth: Mapping[str, int]
    queue_capacity: int
    event_subscribers: int
    events_lagged_total: int
    loop_lag_seconds: float


class Metrics:
    """Counts events as a tap of the bus, and renders them with what is gauged at the scrape."""

    def __init__(self, *, agents: Iterable[str], read_gauges: Callable[[], Gauges]) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._read_gauges = read_gauges
        self._gauges = GaugeCollector()
        self.registry = CollectorRegistry(auto_describe=False)
        self._jobs = Counter(
            "airboss_jobs", "Jobs by what became of them.", ["agent", "outcome"], registry=self.registry
        )
        self._queue_wait = Histogram(
            "airboss_queue_wait_seconds",
            "Time from being due to being started.",
            buckets=_WAIT_BUCKETS,
            registry=self.registry,
        )
        self._duration = Histogram(
            "airboss_job_duration_seconds",
            "Running time of ended jobs over all attempts.",
            ["agent"],
            buckets=_DURATION_BUCKETS,
            registry=self.registry,
        )
        self._requests = Histogram(
            "airboss_http_request_seconds",
            "Time to answer a request, streams left out.",
            ["method", "status"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.registry.register(self._gauges)
        ProcessCollector(registry=self.registry)
        self._agents = frozenset(agents)
        for agent in self._agents:
            for outcome in _OUTCOMES.values():
                self._jobs.labels(agent, outcome)

    def on_event(self, event: Event) -> None:
        outcome = _OUTCOMES.get(event.type)
        if outcome is None:
            if event.type == EventType.JOB_STARTED.value:
                self._queue_wait.observe(event.data["queue_wait_seconds"])
            return
        # An agent that left the settings keeps its jobs, not a label of its own.
        agent = event.agent if event.agent in self._agents else "removed"
        self._jobs.labels(agent, outcome).inc()
        if outcome != "spawned":
            self._duration.labels(agent).observe(event.data["duration_seconds"])

    def observe_request(self, method: str, status: int, seconds: float) -> None:
        known = method if method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS") else "other"
        self._requests.labels(known, f"{status // 100}xx").observe(seconds)

    def take_gauges(self) -> None:
        """Read what changes with the event loop; call it there, before `render`."""
        self._gauges.values = self._read_gauges()

    def render(self) -> bytes:
        """Write the text format; slow for many labels, so call it off the event loop."""
        return generate_latest(self.registry)


class GaugeCollector(Collector):
    """Turns the values of one scrape into metrics."""

    def __init__(self) -> None:
        self.values: Gauges | None = None

    def collect(self) -> Iterator[Metric]:
        values = self.values
        if values is None:
            return
        yield _by_agent("airboss_jobs_running", "Jobs that run now.", values.jobs_running)
        yield _by_agent("airboss_queue_depth", "Due pending jobs.", values.queue_depth)
        yield GaugeMetricFamily(
            "airboss_queue_capacity", "Due pending jobs that are accepted.", value=values.queue_capacity
        )
        yield GaugeMetricFamily(
            "airboss_event_subscribers", "Open event streams.", value=values.event_subscribers
        )
        yield CounterMetricFamily(
            "airboss_events_lagged",
            "How often a subscriber was too slow and had to be caught up from storage.",
            value=values.events_lagged_total,
        )
        yield GaugeMetricFamily(
            "airboss_loop_lag_seconds",
            "How late the event loop runs its timers.",
            value=values.loop_lag_seconds,
        )


def _by_agent(name: str, text: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["agent"])
    for agent, value in values.items():
        family.add_metric([agent], value)
    return family
