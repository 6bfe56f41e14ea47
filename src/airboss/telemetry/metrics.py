"""Prometheus metrics. Labels come from configuration, never from callers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from airboss.domain.event_types import EventType
from airboss.domain.events import Event
from airboss.domain.mcp_servers import ServerState

_OUTCOMES = {
    EventType.JOB_SPAWNED.value: "spawned",
    EventType.JOB_COMPLETED.value: "completed",
    EventType.JOB_FAILED.value: "failed",
    EventType.JOB_CANCELLED.value: "cancelled",
    EventType.JOB_TIMED_OUT.value: "timed_out",
}
_MCP_STATES = {state: number for number, state in enumerate(ServerState)}
_BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}
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
    late_writes_total: int
    loop_lag_seconds: float
    provider_calls_in_flight: Mapping[str, int]
    provider_calls_waiting: Mapping[str, int]
    mcp_server_states: Mapping[str, ServerState]


class Metrics:
    """Counts events as a tap of the bus, and renders them with what is gauged at the scrape."""

    def __init__(self, *, agents: Iterable[str], read_gauges: Callable[[], Gauges]) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._read_gauges = read_gauges
        self._gauges = GaugeCollector()
        self.registry = CollectorRegistry(auto_describe=False)
        self._jobs = self._counter("airboss_jobs", "Jobs by what became of them.", "agent", "outcome")
        self._queue_wait = self._histogram(
            "airboss_queue_wait_seconds", "Time from being due to being started.", _WAIT_BUCKETS
        )
        self._duration = self._histogram(
            "airboss_job_duration_seconds",
            "Running time of ended jobs over all attempts.",
            _DURATION_BUCKETS,
            "agent",
        )
        self._provider_calls, self._provider_seconds = self._of_providers()
        self._breakers = Gauge(
            "airboss_breaker_state",
            "0 closed, 1 half open, 2 open.",
            ["provider", "model"],
            registry=self.registry,
        )
        self._mcp_calls, self._mcp_seconds = self._of_mcp()
        self._requests = self._histogram(
            "airboss_http_request_seconds",
            "Time to answer a request, streams left out.",
            _REQUEST_BUCKETS,
            "method",
            "status",
        )
        self._rate_store_outages = self._counter(
            "airboss_rate_store_outages", "How often the Redis that shares the rate limits went away."
        )
        self.registry.register(self._gauges)
        ProcessCollector(registry=self.registry)
        self._agents = frozenset(agents)
        for agent in self._agents:
            for outcome in _OUTCOMES.values():
                self._jobs.labels(agent, outcome)
        # Finding a child by its labels takes the library longer than counting in it.
        self._jobs_of = cache(self._jobs.labels)
        self._duration_of = cache(self._duration.labels)
        self._requests_of = cache(self._requests.labels)

    def _of_providers(self) -> tuple[Counter, Histogram]:
        calls = self._counter(
            "airboss_provider_calls",
            "HTTP calls to providers: ok, cancelled, or the code they failed with.",
            "provider",
            "outcome",
        )
        seconds = self._histogram(
            "airboss_provider_call_seconds",
            "Time of HTTP calls to providers, to the end of the answer.",
            _DURATION_BUCKETS,
            "provider",
        )
        return calls, seconds

    def _of_mcp(self) -> tuple[Counter, Histogram]:
        calls = self._counter(
            "airboss_mcp_calls",
            "Tool calls to MCP servers: ok, tool_failed, mcp_unavailable, timeout or cancelled.",
            "server",
            "outcome",
        )
        seconds = self._histogram(
            "airboss_mcp_call_seconds",
            "Time of tool calls to MCP servers, with their wait for the connection.",
            _DURATION_BUCKETS,
            "server",
        )
        return calls, seconds

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def on_event(self, event: Event) -> None:
        outcome = _OUTCOMES.get(event.type)
        if outcome is None:
            if event.type == EventType.JOB_STARTED.value:
                self._queue_wait.observe(event.data["queue_wait_seconds"])
            return
        # An agent that left the settings keeps its jobs, not a label of its own.
        agent = event.agent if event.agent in self._agents else "removed"
        self._jobs_of(agent, outcome).inc()
        if outcome != "spawned":
            self._duration_of(agent).observe(event.data["duration_seconds"])

    def observe_provider_call(self, provider: str, outcome: str, seconds: float) -> None:
        self._provider_calls.labels(provider, outcome).inc()
        self._provider_seconds.labels(provider).observe(seconds)

    def observe_mcp_call(self, server: str, outcome: str, seconds: float) -> None:
        self._mcp_calls.labels(server, outcome).inc()
        self._mcp_seconds.labels(server).observe(seconds)

    def set_breaker_state(self, provider: str, model: str, state: str) -> None:
        self._breakers.labels(provider, model).set(_BREAKER_STATES[state])

    def observe_request(self, method: str, status: int, seconds: float) -> None:
        known = method if method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS") else "other"
        self._requests_of(known, f"{status // 100}xx").observe(seconds)

    def count_rate_store_outage(self) -> None:
        self._rate_store_outages.inc()

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
        yield _by_label("agent", "airboss_jobs_running", "Jobs that run now.", values.jobs_running)
        yield _by_label("agent", "airboss_queue_depth", "Due pending jobs.", values.queue_depth)
        yield _by_label(
            "provider",
            "airboss_provider_calls_in_flight",
            "Calls that a provider works on now.",
            values.provider_calls_in_flight,
        )
        yield _by_label(
            "provider",
            "airboss_provider_calls_waiting",
            "Calls that wait for a place or for their pace.",
            values.provider_calls_waiting,
        )
        yield _by_label(
            "server",
            "airboss_mcp_server_state",
            "0 stopped, 1 starting, 2 running, 3 failed, 4 quarantined.",
            {server: _MCP_STATES[state] for server, state in values.mcp_server_states.items()},
        )
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
        yield CounterMetricFamily(
            "airboss_late_writes",
            "Writes that were refused because their run had lost its job.",
            value=values.late_writes_total,
        )
        yield GaugeMetricFamily(
            "airboss_loop_lag_seconds",
            "How late the event loop runs its timers.",
            value=values.loop_lag_seconds,
        )


def _by_label(label: str, name: str, text: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for labelled, value in values.items():
        family.add_metric([labelled], value)
    return family
