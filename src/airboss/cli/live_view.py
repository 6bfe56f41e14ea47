"""The live view of a job on a terminal: a picture of `JobView`, drawn again several times a second."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from airboss.cli import times
from airboss.cli.api_client import ApiClient
from airboss.cli.failures import CommandError
from airboss.cli.job_view import JobView, Step
from airboss.cli.terminal import clean, one_line, state_style
from airboss.domain.states import JobState

_REFRESHES_PER_SECOND = 8
_POSITION_SECONDS = 1.0
_MOST_STEPS = 6
_KEPT_LINES = 3
_MARKS = {None: ("…", "blue"), "answered": ("✓", "green"), "failed": ("✗", "red"), "denied": ("✗", "red")}
_HINT = "Ctrl-C ends the watching; the job goes on"


class LiveView:
    """Shows a job as it runs, and asks for its place in the queue, of which no event tells."""

    def __init__(self, console: Console, client: ApiClient, path: str, view: JobView) -> None:
        self._client = client
        self._path = path
        self._view = view
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._asking = threading.Thread(target=self._ask_position, name="queue position", daemon=True)
        self._live = Live(
            console=console,
            get_renderable=lambda: self,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        self._asking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._live.stop()

    def apply(self, event: Mapping[str, Any]) -> None:
        with self._lock:
            self._view.apply(event)

    def trouble(self, text: str) -> None:
        with self._lock:
            self._view.trouble = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            yield from picture(self._view, console, options.max_width, options.size.height)

    def _ask_position(self) -> None:
        while not self._stopped.is_set():
            if self._view.state is JobState.PENDING and not self._view.trouble:
                job: Mapping[str, Any] = {}
                with suppress(CommandError):
                    job = self._client.get(self._path)
                with self._lock:
                    self._view.queue_position = job.get("queue_position")
                    self._view.not_before = times.still_to_come(job.get("run_at"))
            self._stopped.wait(_POSITION_SECONDS)


def picture(view: JobView, console: Console, width: int, height: int) -> Iterator[Text]:
    """Yield the lines of the view, as many as fit."""
    yield _cut(_head(view), width)
    steps = list(step_lines(view))
    for line in steps[-_MOST_STEPS:]:
        yield _cut(line, width)
    room = height - 1 - min(len(steps), _MOST_STEPS) - _KEPT_LINES
    yield from _tail(view.output, console, width, max(room, 1))
    if view.trouble:
        yield _cut(Text(view.trouble, style="yellow"), width)
    else:
        yield _cut(Text(_HINT, style="dim"), width)


def step_lines(view: JobView) -> Iterator[Text]:
    for step in view.steps.values():
        yield _step(step)


def _head(view: JobView) -> Text:
    head = Text.assemble((view.job_id, "bold"), "  ", (view.state.value, state_style(view.state)))
    if view.queue_position is not None:
        head.append(f", number {view.queue_position} in the queue")
    elif view.state is JobState.PENDING and view.not_before is not None:
        head.append(f", not before {view.not_before}")
    if view.state is JobState.RUNNING and view.started_at is not None:
        head.append(f"  {times.between(view.started_at, times.now().isoformat())}")
    if view.attempt > 1:
        head.append(f"  attempt {view.attempt}")
    if view.agent:
        head.append(f"  {one_line(view.agent)}", "dim")
    if view.note:
        head.append(f"  {one_line(view.note)}", "yellow")
    return head


def _step(step: Step) -> Text:
    mark, style = _MARKS.get(step.outcome, ("·", ""))
    line = Text.assemble((f"  {mark} ", style), one_line(step.what))
    if step.duration_seconds is not None:
        line.append(f"  {times.duration(step.duration_seconds)}", "dim")
    if step.detail:
        line.append(f"  {one_line(step.detail)}", "dim")
    return line


def _tail(output: str, console: Console, width: int, height: int) -> Iterator[Text]:
    """Yield the last lines of the output; only as much of it is looked at as could be shown."""
    shown = clean(output[-width * height :])
    if shown:
        yield Text()
        yield from Text(shown).wrap(console, width, tab_size=4)[-height:]
        yield Text()


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
