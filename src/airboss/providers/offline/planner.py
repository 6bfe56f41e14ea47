"""Deciding the next step from what was asked and seen so far. No language model: rules, and quotes.

The planner is a function of the conversation alone, as a model is: the same question and the same files
give the same calls and the same answer.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

LABEL = "Offline planner (rules, not a language model)"
_LIST, _READ = "files.list", "files.read"
_MAX_FOLDERS = 12
_MAX_FILES = 12
_MAX_QUOTES = 8
_QUOTE_CHARACTERS = 240
_TEXT_ENDINGS = (".md", ".txt", ".rst", ".py", ".toml", ".yaml", ".yml", ".json", ".csv", ".cfg", ".ini")
_WORD = re.compile(r"[^\W_]{3,}")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """
        the and for with what which who how why when where are was were does did has have had this that these
        those from into about say says tell there here they them their you your our can could would should
        will not its any all out more most than then file files folder folders read list find show
        """,
    )
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A tool call that was answered; `answer` is its decoded JSON, or its text."""

    tool: str
    arguments: dict[str, Any]
    answer: Any


@dataclass(frozen=True, slots=True)
class Calls:
    """Tool calls to make side by side."""

    calls: tuple[tuple[str, dict[str, Any]], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    text: str


@dataclass(frozen=True, slots=True)
class _Quote:
    score: int
    path: str
    line: int
    text: str


def plan(question: str, seen: Sequence[Seen], tools: Collection[str]) -> Calls | Answer:
    """Return the next calls, or the answer once there is nothing left to look at."""
    if _LIST in tools:
        if not seen:
            return Calls(((_LIST, {"path": "."}),))
        if folders := _folders_to_list(seen):
            return Calls(tuple((_LIST, {"path": path}) for path in folders))
        if _READ in tools and (files := _files_to_read(question, seen)):
            return Calls(tuple((_READ, {"path": path}) for path in files))
    return Answer(_answer(question, seen))


def _folders_to_list(seen: Sequence[Seen]) -> list[str]:
    """Take folders breadth first, each once, up to a bound."""
    listed = {item.arguments["path"] for item in seen if item.tool == _LIST}
    if any(item.tool == _READ for item in seen):
        return []
    found = [path for path, kind in _entries(seen) if kind == "directory" and not _hidden(path)]
    room = _MAX_FOLDERS - len(listed)
    return [path for path in found if path not in listed][: max(0, room)]


def _files_to_read(question: str, seen: Sequence[Seen]) -> list[str]:
    """Take the files whose names have most to do with the question, in one round."""
    if any(item.tool == _READ for item in seen):
        return []
    words = _words(question)
    names = [
        path
        for path, kind in _entries(seen)
        if kind == "file" and path.lower().endswith(_TEXT_ENDINGS) and not _hidden(path)
    ]
    ranked = sorted(names, key=lambda path: (-len(words & _words(path)), path.count("/"), path))
    return ranked[:_MAX_FILES]


def _entries(seen: Sequence[Seen]) -> list[tuple[str, str]]:
    entries = []
    for item in seen:
        if item.tool == _LIST and isinstance(item.answer, dict):
            folder = item.arguments["path"]
            for entry in item.answer.get("entries", ()):
                path = entry["name"] if folder == "." else f"{folder}/{entry['name']}"
                entries.append((path, entry["kind"]))
    return entries


def _answer(question: str, seen: Sequence[Seen]) -> str:
    lines = [f"{LABEL}.", ""]
    texts = _texts(seen)
    entries = _entries(seen)
    if not entries:
        lines += [*_failures(seen), "I can only list and read files, and there was nothing to read."]
        return "\n".join(lines)
    files = sum(kind == "file" for _, kind in entries)
    # Hidden ones and those beyond the bound are seen, not listed.
    folders = sum(item.tool == _LIST and isinstance(item.answer, dict) for item in seen)
    listed = f"I listed {_counted(files, 'file')} in {_counted(folders, 'folder')}"
    lines.append(f"{listed} and read {'it' if files == len(texts) == 1 else f'{len(texts)} of them'}:")
    lines += [
        f"- {path}: {_counted(len(text.split()), 'word')}. {_heading(text)}".rstrip() for path, text in texts
    ]
    quotes = _quotes(question, texts)
    if quotes:
        lines += ["", "What they say with the words of your question:"]
        lines += [f"- {quote.path}:{quote.line}: {quote.text}" for quote in quotes]
    else:
        lines += ["", "No line in them shares a word with your question."]
    return "\n".join([*lines, *_failures(seen)])


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _texts(seen: Sequence[Seen]) -> list[tuple[str, str]]:
    return [
        (str(item.arguments["path"]), str(item.answer["text"]))
        for item in seen
        if item.tool == _READ and isinstance(item.answer, dict) and "text" in item.answer
    ]


def _failures(seen: Sequence[Seen]) -> list[str]:
    return [
        f"{item.tool} {item.arguments.get('path', '')}: {item.answer}"
        for item in seen
        if isinstance(item.answer, str)
    ]


def _heading(text: str) -> str:
    for line in text.splitlines():
        if stripped := line.strip("#=-*\"' \t"):
            return f"Begins: {stripped[:80]}"
    return ""


def _quotes(question: str, texts: Sequence[tuple[str, str]]) -> list[_Quote]:
    """Rank lines by how many words of the question they share; ties in reading order."""
    words = _words(question)
    quotes = [
        _Quote(score, path, number, line.strip()[:_QUOTE_CHARACTERS])
        for path, text in texts
        for number, line in enumerate(text.splitlines(), start=1)
        if (score := len(words & _words(line)))
    ]
    quotes.sort(key=lambda quote: -quote.score)
    return quotes[:_MAX_QUOTES]


def _words(text: str) -> frozenset[str]:
    found = (word.lower() for word in _WORD.findall(text))
    return frozenset(word.removesuffix("s") for word in found if word not in _COMMON)


def _hidden(path: str) -> bool:
    return any(part.startswith((".", "__")) for part in path.split("/"))


def decode_answer(output: str) -> Any:
    """Return what a tool answered: an object, or a text, which tells of a failure."""
    try:
        decoded = json.loads(output)
    except ValueError:
        return output
    if not isinstance(decoded, dict):
        return output
    error = decoded.get("error")
    if isinstance(error, dict):
        return str(error.get("message", ""))
    result = decoded.get("result")
    return result if isinstance(result, dict) else output
