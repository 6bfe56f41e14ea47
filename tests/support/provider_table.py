"""Writes what comes of each fault into docs/providers.md, measured: `python -m tests.support.provider_table`.

With `--check` it only tells whether the page has a row for each fault.
"""

import argparse
import asyncio
import logging
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.provider_overhead import GOAL_US, measure
from tests.support.call_bench import Outcome
from tests.support.faulty_provider import FaultyProvider, faulty_provider
from tests.support.peer_trials import LLMOCK_FAULTS, llmock_trial
from tests.support.peers import AIMOCK, LLMOCK, running_llmock
from tests.support.provider_faults import FAULTS, Fault
from tests.support.provider_trials import Trial, trial
from tests.support.wire_answers import APIS, CHAT, RESPONSES

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
ROUNDS, CALLS = 9, 200


def cell(trials: list[Trial], fault: Fault) -> str:
    """Say what came of it: the same for all, or the table would hide something."""
    codes = {tried.outcome.code for tried in trials}
    assert codes == {fault.code}, (fault.name, codes)
    calls = {sum(tried.outcomes.values()) for tried in trials if tried.outcome.usage.requests < 2}
    seconds = max(tried.outcome.seconds for tried in trials)
    made = "/".join(str(each) for each in sorted(calls))
    return f"{'answer' if fault.code is None else f'`{fault.code}`'} | {made} | {seconds:.2f}"


async def faults(provider: FaultyProvider) -> Iterator[str]:
    # The first call loads what the SDK loads late: it is nobody's time.
    await trial(provider, FAULTS[0], CHAT)
    rows = {}
    for fault in FAULTS:
        for api in fault.apis:
            kinds = (False, True) if fault.with_tools else (False,)
            tried = [await trial(provider, fault, api, tool=tool) for tool in kinds]
            rows[fault.name, api] = cell(tried, fault)
    names = dict.fromkeys(fault.name for fault in FAULTS)
    missing = "none | | "
    return (
        f"| {name} | {rows.get((name, CHAT), missing)} | {rows.get((name, RESPONSES), missing)} |"
        for name in names
    )


def fault_table() -> str:
    head = (
        "| what the provider does | chat completions | calls | s | responses | calls | s |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    with faulty_provider() as provider:
        return head + "\n".join(asyncio.run(faults(provider)))


def peer_table() -> str:
    head = (
        f"| what llmock {LLMOCK[1]} does | API | ends as | calls | held against us |\n|---|---|---|---|---|\n"
    )
    lines = []
    with tempfile.TemporaryDirectory() as folder, running_llmock(Path(folder)) as peer:
        for fault in LLMOCK_FAULTS:
            for api in fault.apis:
                tried = asyncio.run(llmock_trial(peer, fault, api))
                found = ", ".join(f"`{code}`" for code in tried.found) or "nothing"
                ended = said(tried.outcome)
                lines.append(f"| {fault.name} | {api} | {ended} | {tried.calls} | {found} |")
    return head + "\n".join(lines)


def said(outcome: Outcome) -> str:
    return "answer" if outcome.code is None else f"`{outcome.code}`"


def overhead_table() -> str:
    head = (
        "| API | the SDK's model alone, µs | added by the call path, µs | added with events and journal entry, µs |\n"
        "|---|---|---|---|\n"
    )
    measured = [asyncio.run(measure(api, CALLS, ROUNDS)) for api in APIS]
    lines = [
        f"| {each['api']} | {each['cpu_us']['sdk']} | {each['added_us']['call_path']} (goal {GOAL_US}) "
        f"| {each['added_us']['with_events']} |"
        for each in measured
    ]
    return head + "\n".join(lines)


WRITERS = {"faults": fault_table, "peers": peer_table, "overhead": overhead_table}


def replaced(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- generated: {name} -->", "<!-- end of generated -->"
    pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
    assert pattern.search(page), f"{PAGE.name} has no place for {name}"
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def missing_rows(page: str) -> list[str]:
    names = [*(fault.name for fault in FAULTS), *(fault.name for fault in LLMOCK_FAULTS)]
    return [name for name in names if f"| {name} |" not in page]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", choices=WRITERS, action="append")
    given = parser.parse_args()
    page = PAGE.read_text()
    if given.check:
        for name in missing_rows(page):
            sys.stdout.write(f"{PAGE.name} has no row for: {name}\n")
        return bool(missing_rows(page))
    logging.getLogger("openai.agents").setLevel(logging.CRITICAL)
    for name in given.only or WRITERS:
        page = replaced(page, name, WRITERS[name]())
    assert AIMOCK[1] in page, "the page names another version of aimock than the tests use"
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
