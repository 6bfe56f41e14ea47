"""What stands when a run ends: a promise to cancel is kept, whatever the run made of it."""

import pytest
from tests.support.jobs import new_agent, new_job

from airboss.domain.errors import ERROR_CODES, AirbossError, JobError
from airboss.domain.jobs import PREVIEW_CHARACTERS, AnsweredBy, Outcome, Usage, preview
from airboss.domain.states import FINAL_STATES, JobState
from airboss.domain.times import rfc3339


def outcome_of(state: JobState) -> Outcome:
    return Outcome(
        state,
        output="answer",
        error=JobError("internal", "broke"),
        usage=Usage(1, 2, 3),
        answered_by=AnsweredBy("p", "m"),
        ran_seconds=1.5,
    )


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_without_a_promise_the_outcome_stands(state: JobState) -> None:
    assert outcome_of(state).settled(cancel_requested=False) == outcome_of(state)


@pytest.mark.parametrize("state", sorted(FINAL_STATES - {JobState.CANCELLED}))
def test_with_a_promise_it_is_cancelled_and_keeps_what_it_spent(state: JobState) -> None:
    assert outcome_of(state).settled(cancel_requested=True) == Outcome(
        JobState.CANCELLED,
        reason="cancel_requested",
        usage=Usage(1, 2, 3),
        answered_by=AnsweredBy("p", "m"),
        ran_seconds=1.5,
    )


def test_a_preview_is_the_first_characters_of_text_or_json() -> None:
    assert preview("ж" * 300) == "ж" * PREVIEW_CHARACTERS
    assert preview({"ключ": [1, None]}) == '{"ключ":[1,null]}'


def test_a_job_is_due_when_it_was_made_or_when_it_was_asked_for() -> None:
    made_at = 1000
    assert new_job(created_at_ms=made_at).due_at_ms == 1000
    assert new_job(created_at_ms=made_at, run_at_ms=5000).due_at_ms == 5000
    assert new_job(created_at_ms=made_at, run_at_ms=10).due_at_ms == 1000


def test_a_revision_follows_the_settings_of_its_agent() -> None:
    assert new_agent().revision == new_agent().revision
    assert new_agent().revision != new_agent(instructions="other").revision


def test_an_error_carries_the_type_and_status_of_its_code() -> None:
    error = AirbossError("queue_full", "full", retry_after_seconds=4)
    assert (error.type, error.status, error.details) == ("overloaded", 429, {})
    assert {code for code, spec in ERROR_CODES.items() if spec.status is None} >= {
        "worker_lost",
        "job_timeout",
    }


def test_moments_are_written_to_the_millisecond() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1_795_000_000_007) == "2026-11-18T11:06:40.007Z"
