"""Kill -9 at random moments, again and again: nothing is lost, doubled, changed or asked twice."""

from pathlib import Path

from tests.support.chaos import ChaosPlan, ChaosRun, ServerUnderFire
from tests.support.chaos_provider import chaos_provider, chaos_settings
from tests.support.chaos_verdict import Verdict


def test_nothing_is_lost_in_a_storm_of_kills(folder: Path) -> None:
    plan = ChaosPlan(jobs=150, kills=5, seed=20261121)
    with chaos_provider() as provider:
        (folder / "workspace").mkdir(parents=True)
        (folder / "workspace" / "notes.md").write_text("Two engines run.\n")
        server = ServerUnderFire(folder, chaos_settings(provider))
        run = ChaosRun(plan, provider, server)
        try:
            run.run()
            verdict = Verdict(run)
        finally:
            server.kill()
    assert not verdict.broken, verdict.table()
    assert verdict.measured.interrupted > 0, "the kills met no running job"
    assert verdict.measured.replayed_answers > 0, "nothing was resumed"
