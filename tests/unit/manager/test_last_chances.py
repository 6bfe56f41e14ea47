"""Last chances: of jobs that have one attempt left after lost workers, one of each agent at a time."""

from tests.support.jobs import job_id, new_job

from airboss.manager.last_chances import LastChances


def test_jobs_that_have_attempts_left_or_were_never_started_do_not_wait() -> None:
    chances = LastChances()
    for attempt, max_attempts in ((0, 3), (1, 3), (0, 1), (0, 2)):
        assert chances.admit(new_job(1, attempt=attempt, max_attempts=max_attempts))
        assert chances.admit(new_job(2, attempt=attempt, max_attempts=max_attempts))


def test_last_chances_come_one_after_the_other() -> None:
    chances = LastChances()
    first, second, third = (new_job(number, attempt=2) for number in (1, 2, 3))
    assert [chances.admit(job) for job in (first, second, third)] == [True, False, False]
    assert chances.admit(first), "rung for twice, it is the same job"
    assert chances.release("alpha", job_id(9)) is None, "another job's end is none of theirs"
    assert chances.release("alpha", first.id) == second
    assert chances.release("alpha", second.id) == third
    assert chances.release("alpha", third.id) is None
    assert chances.admit(second), "nobody is before it any more"


def test_another_agents_jobs_do_not_wait() -> None:
    chances = LastChances()
    assert chances.admit(new_job(1, attempt=2))
    assert chances.admit(new_job(2, attempt=2, agent="beta"))
