"""Whatever a model may write where the arguments of a call are expected."""

import json
from typing import Any

from hypothesis import strategies as st

#: Every code point, half characters too.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
NUMBERS = st.one_of(st.integers(), st.floats(), st.integers(min_value=10**400, max_value=10**401))
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, ANY_TEXT)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.one_of(st.sampled_from(["path", "content", "url", "Path", "path ", ""]), ANY_TEXT)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)


def _twice(pairs: list[tuple[str, Any]]) -> str:
    """Write an object whose names may stand in it more than once."""
    inner = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    return "{" + inner + "}"


WRITTEN = st.one_of(
    OBJECTS.map(json.dumps),
    OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False)),
    VALUES.map(json.dumps),
    st.lists(st.tuples(NAMES, LEAVES), max_size=5).map(_twice),
)
CUT = st.tuples(WRITTEN, st.integers(min_value=0, max_value=80)).map(lambda made: made[0][: made[1]])
DEEP = st.tuples(st.sampled_from(['{"path":', "[", '{"a":[']), st.integers(1, 3000)).map(
    lambda made: made[0] * made[1]
)
ODD = st.sampled_from(
    [
        "",
        " ",
        "{}",
        "null",
        "NaN",
        '{"path": NaN}',
        '{"path": 1e999}',
        '{"path": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"path": "a", "path": ".."}',
        '{"path": "a"} {"path": "b"}',
        '{"path": "a",}',
        "{'path': 'a'}",
        '{"path": "a" /* comment */}',
        "\ufeff{}",
        '{"path": ["."]}',
        '{"path": {"$ref": "#"}}',
        '{"__proto__": {"path": "."}}',
        '{"path": true}',
        '{"path": 0}',
        '{"path": "' + "a" * 100_000 + '"}',
        '{"' + "a" * 100_000 + '": 1}',
        "{" + ",".join(f'"k{number}": 1' for number in range(2_000)) + "}",
        "[" * 20_000 + "]" * 20_000,
        '{"content": "\\u0000", "path": "a"}',
        '{"path": "\\u0000"}',
        "9" * 10_000,
    ]
)
ARGUMENTS = st.one_of(WRITTEN, CUT, ANY_TEXT, DEEP, ODD)
