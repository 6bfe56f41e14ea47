"""What is seen of one connection below the protocol: why it failed, and what its server says on the side."""

from collections import deque
from collections.abc import Callable

from airboss.mcp.launch import Secrets
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.security.redaction import redacted

_LINE_CHARACTERS = 500
_LINES_AT_ONCE = 50
_LINES_PER_SECOND = 5.0
_KEPT_LINES = 3
#: As shells, `env` and our own guard have it.
_NOT_FOUND = 127


class WireNotes:
    """Kept for one connection. Lines of the server go to the log at a bounded rate, masked."""

    def __init__(self, server: str, clock: Clock, log: Log, on_ended: Callable[[], None]) -> None:
        self._server = server
        self._clock = clock
        self._log = log
        self._on_ended = on_ended
        self._last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._allowance = float(_LINES_AT_ONCE)
        self._refilled_at = clock.monotonic()
        self._unsaid = 0
        self.secrets = Secrets()
        self.heard_at = clock.monotonic()
        self.refusal: str | None = None
        self.exit_code: int | None = None
        #: Where a process looks for programs.
        self.path = ""
        self.ended: str | None = None

    def heard(self) -> None:
        self.heard_at = self._clock.monotonic()

    def end(self, reason: str) -> None:
        """Tell that nothing more will come; the first reason stays."""
        if self.ended is None:
            self.ended = reason
            self._on_ended()

    def error_line(self, line: str) -> None:
        """Take a line of the server's standard error."""
        line = self.clean(line)
        if line:
            self._last_lines.append(line)
            self._say("mcp.server_stderr", line)

    def garbage(self, line: str) -> None:
        """Take a line that is no message."""
        self._say("mcp.no_message", self.clean(line))

    def clean(self, text: str) -> str:
        """Mask and shorten what a server wrote for nobody in particular."""
        return redacted(self.name(text))

    def name(self, text: str) -> str:
        """Shorten what a server calls itself; only known secrets are masked."""
        printable = "".join(character if character.isprintable() else " " for character in text)
        return self.secrets.masked(printable).strip()[:_LINE_CHARACTERS]

    def told(self, reason: str) -> str:
        """Return a reason with what else is known about it."""
        facts = [self.secrets.masked(reason)[:_LINE_CHARACTERS]]
        if self.refusal is not None:
            facts.append(self.refusal)
        if self.exit_code is not None:
            facts.append(f"the process ended with code {self.exit_code}{self._missing()}")
        if self._last_lines:
            facts.append(f"it last wrote: {' | '.join(self._last_lines)}")
        return "; ".join(facts)

    def _missing(self) -> str:
        if self.exit_code != _NOT_FOUND or not self.path:
            return ""
        return (
            f": it, or a program that it starts, was not found; it was looked for in {self.path}:"
            " install it there, or set PATH in env"
        )

    def _say(self, event: str, line: str) -> None:
        now = self._clock.monotonic()
        refill = (now - self._refilled_at) * _LINES_PER_SECOND
        self._allowance = min(_LINES_AT_ONCE, self._allowance + refill)
        self._refilled_at = now
        if self._allowance < 1:
            self._unsaid += 1
            return
        self._allowance -= 1
        unsaid, self._unsaid = self._unsaid, 0
        self._log.info(
            event, server=self._server, line=line, **({"lines_left_out": unsaid} if unsaid else {})
        )
