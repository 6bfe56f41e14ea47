"""What an event carries is bounded, and says so where it was cut."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.jobs import new_job

from airboss.domain.event_types import CATALOGUE, EventType
from airboss.domain.events import encode_data, job_event

MAX_BYTES = 2048
IDENTITY = {
    "job_id": "0190b5a0-0000-7000-8000-000000000000",
    "agent": "alpha",
    "attempt": 3,
    "correlation_id": "r" * 128,
}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3000),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=20), inner, max_size=8),
    max_leaves=60,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.dictionaries(st.text(max_size=20).filter(lambda key: key != "truncated"), values, max_size=8))
def test_whatever_it_carries_an_event_stays_within_its_bytes(data: dict[str, Any]) -> None:
    whole = {**data, **IDENTITY}
    text = encode_data(whole, MAX_BYTES)
    decoded = json.loads(text)
    assert len(text.encode()) <= MAX_BYTES
    if "truncated" in decoded:
        assert {key: decoded[key] for key in IDENTITY} == IDENTITY
    else:
        assert decoded == whole


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5000))
def test_text_is_cut_at_its_end(text: str) -> None:
    decoded = json.loads(encode_data({**IDENTITY, "text": text}, MAX_BYTES))
    assert text.startswith(decoded["text"])
    assert decoded["text"]
    assert ("truncated" in decoded) == (decoded["text"] != text)


@pytest.mark.parametrize(
    "data",
    [
        {"numbers": list(range(10_000))},
        {"words": ["word"] * 10_000},
        {"words": ["w" * 33] * 10_000},
        {f"field {n}": n for n in range(10_000)},
        {"number": 10**4000},
        {"k" * 100_000: 1},
        {"nested": {"k" * 100_000: "v"}},
        {"text": "😀" * 10_000},
        {"text": "\x00" * 10_000},
        {"text": '"' * 10_000},
    ],
    ids=lambda data: repr(data)[:24],
)
def test_what_cannot_be_shortened_is_left_out_and_the_identity_stays(data: dict[str, Any]) -> None:
    text = encode_data({**IDENTITY, **data}, MAX_BYTES)
    decoded = json.loads(text)
    assert len(text.encode()) <= MAX_BYTES
    assert decoded["truncated"] is True
    assert {key: decoded[key] for key in ("job_id", "agent", "correlation_id")} == {
        key: IDENTITY[key] for key in ("job_id", "agent", "correlation_id")
    }


def test_half_a_character_does_not_lose_the_event() -> None:
    decoded = json.loads(
        encode_data({"text": "a\ud83d", "next": "\ude00b", "whole": "\ud83d\ude00"}, MAX_BYTES)
    )
    assert decoded == {"text": "a\ufffd", "next": "\ufffdb", "whole": "😀"}


def test_a_job_event_carries_its_job() -> None:
    job = new_job(tenant="red", attempt=2)
    draft = job_event(EventType.JOB_PROGRESSED, job, 5, message="half", fraction=0.5)
    assert draft.data == {
        "job_id": job.id,
        "agent": "alpha",
        "attempt": 2,
        "correlation_id": "request-1",
        "message": "half",
        "fraction": 0.5,
    }
    assert (draft.tenant, draft.job_id, draft.agent, draft.time_ms) == ("red", job.id, "alpha", 5)
    assert set(CATALOGUE[EventType.JOB_PROGRESSED]) <= set(draft.data)
