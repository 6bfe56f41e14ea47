"""Job ids are UUIDs of version 7 that grow, whatever the clock does."""

import uuid
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import START_MS

from airboss.domain.identifiers import JobIds, is_job_id, lowest_id_at, uuid7

LARGEST_JUMP_BACK_MS = 10_000


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**12 - 1), st.integers(0, 2**62 - 1))
def test_an_id_is_a_uuid_of_version_7_with_its_moment_inside(
    moment_ms: int, counter: int, random_bits: int
) -> None:
    text = uuid7(moment_ms, counter, random_bits)
    parsed = uuid.UUID(text)
    assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)
    assert parsed.int >> 80 == moment_ms
    assert is_job_id(text)
    assert lowest_id_at(moment_ms) <= text < lowest_id_at(moment_ms + 1) or moment_ms == 2**48 - 1


@given(
    st.lists(
        st.one_of(st.integers(-LARGEST_JUMP_BACK_MS // 2, 50), st.integers(0, 10**9)), min_size=1, max_size=60
    ),
    st.randoms(use_true_random=False),
)
def test_ids_and_their_moments_grow_under_clock_jumps(steps: list[int], dice: object) -> None:
    now_ms = START_MS
    ids = JobIds(lambda: now_ms, dice.getrandbits)  # type: ignore[attr-defined]
    made = []
    highest_ms = now_ms
    for step in steps:
        # Steps back add up; only those within what is taken for jitter are of interest here.
        now_ms = max(now_ms + step, highest_ms - LARGEST_JUMP_BACK_MS)
        highest_ms = max(highest_ms, now_ms)
        made.append(ids.make())
    assert all(earlier[0] < later[0] for earlier, later in pairwise(made))
    assert all(earlier[1] <= later[1] for earlier, later in pairwise(made))
    assert all(uuid.UUID(text).int >> 80 == moment_ms for text, moment_ms in made)


def test_a_burst_within_one_millisecond_runs_ahead_of_the_clock() -> None:
    ids = JobIds(lambda: START_MS, lambda bits: 0)
    made = [ids.make() for _ in range(10_000)]
    assert all(earlier[0] < later[0] for earlier, later in pairwise(made))
    assert {moment_ms for _, moment_ms in made} == {START_MS, START_MS + 1, START_MS + 2}


def test_a_clock_set_far_back_is_believed() -> None:
    now_ms = START_MS
    ids = JobIds(lambda: now_ms, lambda bits: 0)
    ids.make()
    now_ms -= LARGEST_JUMP_BACK_MS + 1
    assert ids.make()[1] == now_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0190b5a0-0000-7000-8000-00000000000",
        "0190B5A0-0000-7000-8000-000000000000",
        "{0190b5a0-0000-7000-8000-000000000000}",
        "0190b5a0-0000-7000-8000-000000000000\n",
        "0190b5a0000070008000000000000000",
        "\u0660190b5a0-0000-7000-8000-000000000000",
    ],
)
def test_a_malformed_id_is_none(text: str) -> None:
    assert not is_job_id(text)


def test_no_moment_is_before_the_first() -> None:
    assert lowest_id_at(-5) == lowest_id_at(0)
