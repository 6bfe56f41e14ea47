"""The layer that a YAML file makes, with the line of every key.

A section with nothing below it, as when all of its keys are commented out, sets nothing.
YAML's own merge (`<<: *anchor`) works; a key that stands twice in one mapping does not.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from airboss.config.layers import Layer
from airboss.config.origins import LayerName, Origin
from airboss.config.paths import ItemPath
from airboss.config.problems import Problem, SettingsError
from airboss.config.tree import key_at
from airboss.config.yaml_words import words_of

_MERGE_TAG = "tag:yaml.org,2002:merge"
_STRING_TAG = "tag:yaml.org,2002:str"

_UNREADABLE = object()


def read_yaml_file(path: Path, name: str) -> tuple[Layer, list[Problem]]:
    """Read a settings file; `name` is how errors call it.

    Returns what it sets with what is wrong key by key. Raises FileNotFoundError, and SettingsError for what is
    there and cannot be read at all.
    """
    text = _text(path, name)
    loader = yaml.SafeLoader("")
    root = _parsed(text, name)
    if root is None or _is_null(root):
        return Layer(), []
    if not isinstance(root, yaml.MappingNode):
        raise _refusal(name, "must be a mapping of settings, such as `server: {port: 8700}`", _line(root))
    reading = _Reading(name, loader)
    values = reading.mapping(root, (), ())
    return Layer(values, reading.origins), reading.problems


@dataclass
class _Reading:
    """One walk over the nodes of a file. What cannot be read is told and left out, a list as a whole."""

    name: str
    loader: yaml.SafeLoader
    origins: dict[ItemPath, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def mapping(self, node: yaml.MappingNode, path: ItemPath, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        self._refuse_duplicates(node, path)
        self._merge_anchors(node, path)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            value = self._placed(value_node, (*path, key), _line(key_node), above)
            if value is not _UNREADABLE:
                values[key] = value
        return values

    def _placed(self, node: yaml.Node, path: ItemPath, line: int, above: tuple[yaml.Node, ...]) -> Any:
        self.origins[path] = self._origin(line)
        if node in above:
            self._add(line, path, "contains itself")
            return _UNREADABLE
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            placed = enumerate(node.value)
            items = [self._placed(item, (*path, at), _line(item), (*above, node)) for at, item in placed]
            return _UNREADABLE if _UNREADABLE in items else items
        return self._scalar(node, path, line)

    def _scalar(self, node: yaml.Node, path: ItemPath, line: int) -> Any:
        key = key_at(path)
        if _is_null(node) and key and key.is_mapping:
            return {}
        try:
            return self.loader.construct_object(node)
        except (yaml.constructor.ConstructorError, ValueError):
            self._add(line, path, "is not a value that YAML can read; quote it, and ! at its start above all")
            return _UNREADABLE

    def _key(self, node: yaml.Node, path: ItemPath) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == _STRING_TAG:
            return str(node.value)
        self._add(_line(node), path, "a key must be text; quote it if it looks like something else")
        return None

    def _merge_anchors(self, node: yaml.MappingNode, path: ItemPath) -> None:
        try:
            self.loader.flatten_mapping(node)
        except yaml.constructor.ConstructorError:
            self._add(_line(node), path, "merges (<<) what is neither a mapping nor a list of mappings")

    def _refuse_duplicates(self, node: yaml.MappingNode, path: ItemPath) -> None:
        first_lines: dict[str, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE_TAG:
                continue
            if key_node.value in first_lines:
                text = f"stands twice, first in line {first_lines[key_node.value]}"
                self._add(_line(key_node), (*path, key_node.value), text)
            first_lines.setdefault(key_node.value, _line(key_node))

    def _origin(self, line: int) -> Origin:
        return Origin(LayerName.FILE, self.name, line)

    def _add(self, line: int, path: ItemPath, text: str) -> None:
        self.problems.append(Problem(text, path, self._origin(line)))


def _text(path: Path, name: str) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise
    except IsADirectoryError:
        raise _refusal(name, "is a directory, not a file") from None
    except OSError as error:
        raise _refusal(name, f"cannot be read: {error.strerror}") from error
    text = _decoded(raw)
    if text is None:
        raise _refusal(name, "is not UTF-8 text; save it as UTF-8")
    return text


def _decoded(raw: bytes) -> str | None:
    # The error of decoding carries the file's bytes, secrets and all.
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _parsed(text: str, name: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        what = f"the character U+{ord(text[error.position]):04X} may not stand in YAML"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = words_of(error, text)
    raise _refusal(name, f"column {column}: {what}", line)


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _refusal(name: str, text: str, line: int = 0) -> SettingsError:
    return SettingsError([Problem(text, origin=Origin(LayerName.FILE, name, line))])
