"""Lines out of chunks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from airboss.mcp.lines import LineSplitter, LongLine, answered_id


@settings(deadline=None)
@given(st.lists(st.binary(max_size=12)), st.integers(1, 9))
def test_chunks_of_any_cut_give_the_same_lines(lines: list[bytes], step: int) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    stream = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter(100)
    found = [line for at in range(0, len(stream), step) for line in splitter.feed(stream[at : at + step])]
    assert found == lines


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 700))
def test_a_long_line_is_dropped_but_for_its_edges(length: int, step: int) -> None:
    body = bytes(range(48, 58)) * (length // 10) + b"x" * (length % 10)
    splitter = LineSplitter(10)
    stream = body + b"\nshort\n"
    found = [line for at in range(0, len(stream), step) for line in splitter.feed(stream[at : at + step])]
    if length <= 10:
        assert found == [body, b"short"]
    else:
        long, short = found
        assert isinstance(long, LongLine)
        assert (long.size_bytes, short) == (length, b"short")
        assert body.startswith(long.head)
        assert body.endswith(long.tail)


def test_the_id_is_found_where_libraries_write_it() -> None:
    assert answered_id(b'{"jsonrpc":"2.0","id":7,"result":{"x', b"") == 7
    assert answered_id(b'{ "id": 8, "result"', b"") == 8
    assert answered_id(b'{"result":{"content":[', b'"}]},"jsonrpc":"2.0","id":9}') == 9
    assert answered_id(b'{"result":{', b'},"id":10,"jsonrpc":"2.0"}') == 10


def test_an_id_in_the_middle_or_of_another_kind_is_no_id() -> None:
    assert answered_id(b'{"result":{"id":7,"name":"x', b'"}}') is None
    assert answered_id(b'{"id":"seven"', b"") is None
    assert answered_id(b"Loading 7", b"done") is None
