"""A provider may do anything: each fault ends as its documented error, or as success after a retry."""

from collections.abc import Iterator

import pytest
from tests.support.faulty_provider import FaultyProvider, faulty_provider
from tests.support.provider_faults import FAULTS, PROVIDER_TEXT, Fault
from tests.support.provider_trials import Trial, trial


@pytest.fixture(scope="module")
def provider() -> Iterator[FaultyProvider]:
    with faulty_provider() as running:
        yield running


TRIALS = [
    pytest.param(fault, api, tool, id=f"{fault.name}-{api}-{'tool' if tool else 'text'}")
    for fault in FAULTS
    for api in fault.apis
    for tool in ((False, True) if fault.with_tools else (False,))
]


@pytest.mark.parametrize(("fault", "api", "tool"), TRIALS)
async def test_each_fault_ends_as_documented(
    provider: FaultyProvider, fault: Fault, api: str, tool: bool
) -> None:
    tried: Trial = await trial(provider, fault, api, tool=tool)
    outcome = tried.outcome
    assert outcome.code == fault.code, outcome.error
    made = fault.calls + (1 if tool and fault.code is None else 0)
    assert tried.calls == (made if fault.address is None else 0)
    assert outcome.seconds >= fault.seconds_at_least
    assert outcome.seconds <= tried.total_seconds + 1
    assert fault.aborts in (None, tried.aborted)
    assert PROVIDER_TEXT not in str(outcome.error)
    if fault.code is None:
        assert outcome.answer
        assert outcome.recorder.usage.requests == (2 if tool else 1)
        assert outcome.recorder.types()[-1] == "model.answered"
    else:
        assert outcome.answer is None
        assert outcome.report.answered_by is None
        assert "tool.called" not in outcome.recorder.types()
    assert sum(tried.outcomes.values()) == made
