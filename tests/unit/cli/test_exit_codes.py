"""Exit codes, and advice for each error code."""

import pytest

from airboss.cli.advice import _COMMANDS, for_job, for_request
from airboss.cli.exit_codes import MEANINGS, OF_END, ExitCode
from airboss.domain.errors import ERROR_CODES
from airboss.domain.states import FINAL_STATES


def test_every_code_is_told_and_no_two_ends_are_alike() -> None:
    assert set(MEANINGS) == set(ExitCode)
    assert set(OF_END) == FINAL_STATES
    assert len(set(OF_END.values())) == len(OF_END)


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_error_has_advice(code: str) -> None:
    assert for_request(code)
    advice = for_job(code, "THE-JOB", "THE-AGENT")
    assert " ID'" not in advice
    assert " AGENT'" not in advice


def test_advice_is_for_codes_that_exist() -> None:
    assert set(_COMMANDS) <= set(ERROR_CODES)
    assert for_request("of_a_newer_server") == ""


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_advice_reads_as_the_rest_of_a_line(code: str) -> None:
    advice = for_request(code)
    assert advice[:1] == advice[:1].lower()
    assert not advice.endswith(".")


def test_of_an_unknown_agent_it_is_told_when_settings_are_read() -> None:
    advice = for_request("unknown_agent")
    assert advice.startswith("'airboss agents' lists the agents")
    assert advice.endswith("settings are read when the server starts: restart it after a change")
