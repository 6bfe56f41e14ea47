"""What a run under fire came to: every promise as a figure, from the server's own record and the provider's.

A call counts as answered once its answer was kept: `model.answered` or `tool.answered` with `replayed` false
stands in the event log, written in the transaction that keeps the answer in the journal. A call is repeated
when the provider sees the same (job, turn, index) begin after that moment. A call whose answer was not kept
when the process died is asked again by design; such calls are counted apart, and each needs an interruption.
"""

import json
import signal
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.support.chaos import FINAL_EVENTS, FINAL_STATES, ChaosRun
from tests.support.chaos_provider import expected_answer
from tests.support.event_reader import EventReader, StreamFrame, event_stream

#: What each signal ends the process with.
_CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 0}
Place = tuple[str, int, int | None]


@dataclass(frozen=True)
class Promise:
    """Figures that must be 0."""

    never_spawned: int
    lost: int
    stuck: int
    doubled: int
    acknowledged_twice_apart: int
    final_states_changed: int
    final_events_missing_or_twice: int
    cancels_broken: int
    wrong_answers: int
    events_missed: int
    events_twice_or_out_of_order: int
    model_calls_repeated: int
    tool_calls_repeated: int
    answers_kept_twice: int
    asked_again_without_interruption: int
    conversations_that_did_not_match: int
    attempts_over_maximum: int
    errors_in_the_log: int


@dataclass(frozen=True)
class Measured:
    """Figures that tell how hard the run was."""

    jobs: int
    acknowledged: int
    unanswered_spawns: int
    keys_sent_twice: int
    kills: int
    interrupted: int
    highest_attempt: int
    completed: int
    cancelled: int
    failed: int
    cancels_promised: int
    events: int
    follower_connections: int
    model_calls: int
    model_calls_asked_again: int
    of_them_delivered_but_not_kept: int
    tool_calls: int
    tool_calls_asked_again: int
    replayed_answers: int
    slowest_start_ms: int
    slowest_exit_ms: int
    exits_with_another_code: int
    slowest_drain_ms: int


class Verdict:
    """Reads everything once more from the last server, which must still run."""

    def __init__(self, run: ChaosRun) -> None:
        self._run = run
        run.compare_finals()
        self._jobs = {job["id"]: self._get(job["id"]) for job in run.list_jobs()}
        self._events = self._whole_log()
        self._markers = {job_id: str(job["input"]).split()[0] for job_id, job in self._jobs.items()}
        self._kept, self._replayed = self._answers()
        self.promise = self._promise()
        self.measured = self._measured()

    @property
    def broken(self) -> dict[str, int]:
        """Return the promises that do not hold."""
        return {
            item.name: value for item in fields(Promise) if (value := getattr(self.promise, item.name)) != 0
        }

    def table(self) -> str:
        rows = [
            f"{item.name.replace('_', ' '):<40}{getattr(part, item.name):>10}"
            for part in (self.measured, self.promise)
            for item in fields(part)
        ]
        rows.insert(len(fields(Measured)), "-" * 18 + " promised to be 0 " + "-" * 14)
        return "\n".join(rows)

    def _get(self, job_id: str) -> dict[str, Any]:
        document: dict[str, Any] = self._run.server.ask(
            lambda client: client.get(f"/v1/jobs/{job_id}")
        ).json()
        return document

    def _whole_log(self) -> list[StreamFrame]:
        last = self._run.follower.last_id
        with event_stream(self._run.server.up(), after=0) as reader:
            return _read_through(reader, last)

    def _promise(self) -> Promise:
        jobs, run = self._jobs, self._run
        acknowledged = {job_id for wish in run.wishes for job_id in wish.ids}
        ids = [frame.id for frame in run.follower.frames]
        logged = [frame.id for frame in self._events]
        finals = Counter(_job_id(frame) for frame in self._events if frame.event in FINAL_EVENTS)
        return Promise(
            never_spawned=run.plan.jobs - len(run.wishes),
            lost=len(acknowledged - jobs.keys()) + len(run.not_found),
            stuck=sum(job["state"] not in FINAL_STATES for job in jobs.values()),
            doubled=self._doubled(),
            acknowledged_twice_apart=sum(len(wish.ids) > 1 for wish in run.wishes) + len(run.not_replayed),
            final_states_changed=len(run.changed),
            final_events_missing_or_twice=sum(finals[job_id] != 1 for job_id in jobs),
            cancels_broken=sum(
                jobs[job_id]["state"] != "cancelled" for job_id in run.promised if job_id in jobs
            ),
            wrong_answers=self._wrong_answers() + len(run.provider.foreign),
            events_missed=len(set(logged) - set(ids)),
            events_twice_or_out_of_order=sum(
                (later or 0) <= (earlier or 0) for earlier, later in pairwise(ids)
            )
            + len(set(ids) - set(logged)),
            model_calls_repeated=self._repeated(tools=False),
            tool_calls_repeated=self._repeated(tools=True),
            answers_kept_twice=sum(len(moments) > 1 for moments in self._kept.values()),
            asked_again_without_interruption=self._unexplained(),
            conversations_that_did_not_match=sum(frame.event == "job.progressed" for frame in self._events),
            attempts_over_maximum=sum(job["attempt"] > job["max_attempts"] for job in jobs.values()),
            errors_in_the_log=len(self.log_errors()),
        )

    def _measured(self) -> Measured:
        run = self._run
        states = Counter(job["state"] for job in self._jobs.values())
        model, tools = self._asked(tools=False), self._asked(tools=True)
        kept_late = [place for place, calls in model.items() if any(call.delivered for call in calls[:-1])]
        return Measured(
            jobs=len(self._jobs),
            acknowledged=sum(len(wish.ids) for wish in run.wishes),
            unanswered_spawns=sum(wish.unanswered for wish in run.wishes),
            keys_sent_twice=sum(wish.key is not None for wish in run.wishes),
            kills=run.plan.kills,
            interrupted=sum(frame.event == "job.interrupted" for frame in self._events),
            highest_attempt=max(job["attempt"] for job in self._jobs.values()),
            completed=states["completed"],
            cancelled=states["cancelled"],
            failed=states["failed"],
            cancels_promised=len(run.promised),
            events=len(self._events),
            follower_connections=run.follower.connections,
            model_calls=sum(map(len, model.values())),
            model_calls_asked_again=sum(len(calls) - 1 for calls in model.values()),
            of_them_delivered_but_not_kept=len(kept_late),
            tool_calls=sum(map(len, tools.values())),
            tool_calls_asked_again=sum(len(calls) - 1 for calls in tools.values()),
            replayed_answers=self._replayed,
            slowest_start_ms=round(max(run.server.start_seconds) * 1000),
            slowest_exit_ms=round(max(end.seconds for end in run.server.exits) * 1000),
            exits_with_another_code=sum(end.code != _CODES[run.plan.signal] for end in run.server.exits),
            slowest_drain_ms=round(max(drain_seconds(run.server.folder), default=0.0) * 1000),
        )

    def _doubled(self) -> int:
        """Count jobs beyond the first of each marker; one whose spawn was never answered may be there once."""
        return sum(jobs - 1 for jobs in Counter(self._markers.values()).values())

    def _wrong_answers(self) -> int:
        return sum(
            job["state"] == "completed" and job["output"] != expected_answer(job["input"])
            for job in self._jobs.values()
        )

    def _answers(self) -> tuple[dict[Place, list[float]], int]:
        """Return when each call's answer was kept, and how many were taken from the journal."""
        kept: defaultdict[Place, list[float]] = defaultdict(list)
        replayed = 0
        for frame in self._events:
            if frame.event not in ("model.answered", "tool.answered", "tool.failed"):
                continue
            data = frame.data["data"]
            if data.get("replayed"):
                replayed += 1
                continue
            index = None if frame.event == "model.answered" else int(data["call_id"].rpartition("_")[2])
            moment = datetime.fromisoformat(frame.data["time"]).timestamp()
            kept[self._markers[data["job_id"]], data["step"], index].append(moment)
        return kept, replayed

    def _asked(self, *, tools: bool) -> dict[Place, list[Any]]:
        asked: defaultdict[Place, list[Any]] = defaultdict(list)
        for call in self._run.provider.calls:
            if (call.index is not None) is tools:
                asked[call.marker, call.turn, call.index].append(call)
        return asked

    def _repeated(self, *, tools: bool) -> int:
        """Count calls that began after the answer to the same call had been kept."""
        return sum(
            call.began_at > min(self._kept[place])
            for place, calls in self._asked(tools=tools).items()
            for call in calls
            if self._kept.get(place)
        )

    def _unexplained(self) -> int:
        """Count calls asked more often than the job was interrupted, and once."""
        interrupted = Counter(
            self._markers[_job_id(frame)] for frame in self._events if frame.event == "job.interrupted"
        )
        return sum(
            max(0, len(calls) - 1 - interrupted[place[0]])
            for tools in (False, True)
            for place, calls in self._asked(tools=tools).items()
        )

    def log_errors(self) -> list[str]:
        """Return what the server logged as an error; a line that a kill cut off is none."""
        lines = (self._run.server.folder / "server.log").read_text().splitlines()
        return [line for line in lines if not line.startswith("{") or _level(line) in ("error", "critical")]


def drain_seconds(folder: Path) -> list[float]:
    """Return how long each drain took by the process's own clock: what a busy machine adds is not the drain's."""
    drains = zip(moments(folder, "server.draining"), moments(folder, "server.left"), strict=True)
    return [left - draining for draining, left in drains]


def moments(folder: Path, event: str) -> list[float]:
    """Return when the server logged something, in seconds since 1970."""
    found: list[float] = []
    for line in (folder / "server.log").read_text().splitlines():
        with suppress(ValueError):
            told = json.loads(line)
            if told["event"] == event:
                found.append(datetime.fromisoformat(told["time"]).timestamp())
    return found


def _level(line: str) -> str:
    try:
        return str(json.loads(line)["level"])
    except ValueError:
        return "cut off"


def _read_through(reader: EventReader, last: int) -> list[StreamFrame]:
    return reader.until(lambda frame: frame.id is not None and frame.id >= last)


def _job_id(frame: StreamFrame) -> str:
    return str(frame.data["data"]["job_id"])
