"""What a run has been answered, so that it need not be asked again after a crash or a drain."""

from dataclasses import dataclass
from enum import StrEnum


class EntryKind(StrEnum):
    MODEL = "model"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class JournalKey:
    """Where in a run a call stands: turns count from 1; `index` is the tool call's place in its turn.

    It comes from the conversation and not from a counter, since tool calls run side by side.
    """

    kind: EntryKind
    turn: int
    index: int = 0


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One call. `answer` None means that it was begun and may have had its effect.

    `request_hash` tells whether a later run asks the same.
    """

    key: JournalKey
    request_hash: str
    answer: str | None
