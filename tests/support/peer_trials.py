"""What the peers are told to do, what must come of it, and what one of them says of its client."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from tests.support.call_bench import RETRY, TIMEOUTS, Outcome, call_bench, provider_spec
from tests.support.peers import Peer

from airboss.domain.providers import ProviderApi, ProviderSpec


@dataclass(frozen=True)
class PeerFault:
    """A row for llmock; `found` is what it holds against a client that does what our contract says.

    It cannot see whether an answer was used: where it would have a broken answer asked again, we end the call.
    `calls` are HTTP calls of a run, which takes two model calls where it goes well.
    """

    name: str
    behaviours: Sequence[dict[str, Any]]
    code: str | None
    calls: int
    found: tuple[str, ...] = ()
    apis: tuple[ProviderApi, ...] = tuple(ProviderApi)


_CHAT, _RESPONSES = (ProviderApi.CHAT_COMPLETIONS,), (ProviderApi.RESPONSES,)
_BAD = "provider_bad_answer"
_CUT = {"type": "stream_fault", "after_chunks": 3}

LLMOCK_FAULTS = (
    PeerFault("none", [], None, 2),
    PeerFault("429 twice", [{"type": "fail", "status": 429, "retry_after": 0.2, "times": 2}], None, 4),
    PeerFault("503 once", [{"type": "fail", "status": 503}], None, 3),
    PeerFault("503 for ever", [{"type": "fail", "status": 503, "times": None}], "provider_unavailable", 3),
    *(PeerFault(str(code), [{"type": "fail", "status": code}], "provider_rejected", 1) for code in (400, 404, 422)),
    *(PeerFault(str(code), [{"type": "fail", "status": code}], "provider_auth", 1) for code in (401, 403)),
    PeerFault("slow", [{"type": "delay", "seconds": 0.3}], None, 2),
    PeerFault("slow first token", [{"type": "slow_first_token", "seconds": 0.3}], None, 2),
    PeerFault("cut behind words", [{**_CUT, "kind": "disconnect"}], _BAD, 1, ("gave_up",), _CHAT),
    PeerFault("cut before words", [{**_CUT, "kind": "disconnect"}], None, 3, (), _RESPONSES),
    PeerFault("truncated", [{**_CUT, "kind": "truncate"}], _BAD, 1, ("truncated_stream_accepted",)),
    PeerFault("malformed chunk", [{**_CUT, "kind": "malformed"}], _BAD, 1, ("malformed_chunk_ignored",)),
    PeerFault("stall", [{**_CUT, "kind": "stall", "stall_seconds": 20}], "provider_timeout", 1),
)  # fmt: skip


@dataclass(frozen=True)
class PeerTrial:
    outcome: Outcome
    calls: int
    found: tuple[str, ...]


def spec_of(peer: Peer, api: ProviderApi, **fields: Any) -> ProviderSpec:
    timeouts = replace(TIMEOUTS, attempt_seconds=2.0, total_seconds=6.0)
    return provider_spec(peer.base_url, api=api, **{"timeouts": timeouts, **fields})


async def llmock_trial(peer: Peer, fault: PeerFault, api: ProviderApi) -> PeerTrial:
    """Run one agent against a fault of llmock's and ask for the verdict."""
    with httpx2.Client(base_url=peer.url, trust_env=False, verify=False) as client:
        client.post("/_llmock/reset").raise_for_status()
        if fault.behaviours:
            client.post("/_llmock/scenario", json={"behaviors": fault.behaviours}).raise_for_status()
    # It would have waits that grow visibly.
    retry = replace(RETRY, base_seconds=0.2, cap_seconds=2.0)
    async with call_bench(spec_of(peer, api, retry=retry)) as bench:
        outcome = await bench.run("gpt-4o-mini")
    verdict = peer.get("/_llmock/verdict").json()
    found = tuple(sorted({finding["code"] for finding in verdict["findings"]}))
    return PeerTrial(outcome, sum(bench.watch.outcomes.values()), found)
