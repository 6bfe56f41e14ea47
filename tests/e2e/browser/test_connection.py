"""When the server goes, lags or drains: the page says so plainly, and is right afterwards."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect
from tests.e2e.browser.conftest import prepare, settings_of
from tests.support.api_jobs import ended, run, spawn
from tests.support.browser import Complaints
from tests.support.server import ServerProcess, running_server
from tests.support.speaking_provider import SpeakingProvider

#: Longer than the longest pause between two tries of the page.
RECONNECT_MS = 40_000
#: Lets a test put frames into a real stream, which a fast reader would not get from the server.
INJECT = """
const original = window.fetch;
window.fetch = async (address, options) => {
  const answer = await original(address, options);
  if (!String(address).includes("/events?types") || !answer.ok) return answer;
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  window.inject = (text) => writer.write(new TextEncoder().encode(text));
  (async () => {
    const reader = answer.body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        await writer.write(value);
      }
      await writer.close();
    } catch (error) {
      await writer.abort(error);
    }
  })();
  return new Response(readable, { status: answer.status, headers: answer.headers });
};
"""
LOOK = """(state) => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def own_server(tmp_path: Path, speaker: SpeakingProvider) -> Iterator[ServerProcess]:
    prepare(tmp_path / "server")
    with running_server(tmp_path / "server", settings_of(speaker)) as running:
        yield running


def cancelled(client: httpx2.Client, text: str) -> dict[str, Any]:
    """Make a job that has ended without having run: a fresh server need not load the agent loop for it."""
    job = spawn(client, "quick", text, run_at="2999-01-01T00:00:00Z")
    client.post(job["links"]["cancel"]).raise_for_status()
    return job


def test_a_server_that_goes_and_comes_back(
    page: Page, own_server: ServerProcess, complaints: Complaints, speaker: SpeakingProvider
) -> None:
    complaints.expected = [
        "ERR_CONNECTION_REFUSED",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
        "ERR_CONNECTION_RESET",
        "ERR_EMPTY_RESPONSE",
    ]
    with own_server.client() as client:
        cancelled(client, "before")
    page.goto(f"{own_server.url}/ui/")
    expect(page.locator("#rows tr")).to_have_count(1)
    with own_server.client() as client:
        cancelled(client, "seen live, so that the page knows where it was")
    expect(page.locator("#rows tr")).to_have_count(2)
    port = httpx2.URL(own_server.url).port
    assert port is not None
    own_server.kill()
    banner = page.locator("#banner")
    expect(banner).to_contain_text("Disconnected from the server")
    expect(banner).to_contain_text(re.compile(r"Trying again in \d+ s"))
    expect(page.locator("#connection-text")).to_have_text("Disconnected")
    banner.get_by_role("button", name="Try now").click()
    expect(banner).to_contain_text(re.compile(r"Trying again in \d+ s"))
    with running_server(own_server.folder, settings_of(speaker), port=port) as again:
        with again.client() as client:
            cancelled(client, "behind its back")
        expect(page.locator("#connection-text")).to_have_text("Live", timeout=RECONNECT_MS)
        expect(banner).to_be_hidden()
        expect(page.locator("#rows tr")).to_have_count(3)
        # The job behind its back is in what was loaded anew and among the replayed events: it counts once.
        ended = page.locator(".chart", has_text="Jobs ended").locator(".chart-value")
        expect(ended).to_have_text("3")
        with again.client() as client:
            last = cancelled(client, "afterwards")
        expect(page.locator("#rows tr")).to_have_count(4)
        identifiers = page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.dataset.id)")
        assert len(set(identifiers)) == 4
        assert identifiers[0] == last["id"]


def test_a_job_page_goes_on_with_its_output_behind_an_outage(
    page: Page, own_server: ServerProcess, complaints: Complaints, speaker: SpeakingProvider
) -> None:
    complaints.expected = ["ERR_"]
    with own_server.client() as client:
        job = spawn(client, "stepwise")
    page.goto(f"{own_server.url}/ui/jobs/{job['id']}")
    speaker.say("Half of it")
    expect(page.locator("#output")).to_have_text("Half of it")
    port = httpx2.URL(own_server.url).port
    assert port is not None
    own_server.kill()
    expect(page.locator("#banner")).to_contain_text("Disconnected")
    speaker.forget()
    with running_server(own_server.folder, settings_of(speaker), port=port):
        speaker.say("All of it, anew")
        expect(page.locator("#output")).to_have_text("All of it, anew", timeout=RECONNECT_MS)
        expect(page.locator(".segment.lane-other").first).to_have_attribute(
            "aria-label", re.compile("interrupted.*worker_lost")
        )
        speaker.finish()
        expect(page.locator("#facts .state")).to_have_text("completed")


def test_a_draining_server_is_told(page: Page, own_server: ServerProcess, complaints: Complaints) -> None:
    complaints.expected = ["ERR_"]
    page.goto(f"{own_server.url}/ui/")
    expect(page.locator("#connection-text")).to_have_text("Live")
    own_server.process.terminate()
    expect(page.locator("#banner")).to_contain_text("The server is draining")


def test_a_page_that_lags_says_so_and_recovers(page: Page, api: httpx2.Client) -> None:
    page.add_init_script(INJECT)
    page.goto("/ui/")
    expect(page.locator("#connection-text")).to_have_text("Live")
    page.evaluate("""inject('event: stream.lagged\\ndata: {"missed_from": 5, "missed_to": 9}\\n\\n')""")
    expect(page.locator("#banner")).to_contain_text("Catching up")
    expect(page.locator("#banner")).to_contain_text("events 5 to 9 from storage")
    job = run(api, "quick", "behind the lag")
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator(f'tr[data-id="{job["id"]}"]')).to_be_visible()


def test_a_reset_loads_the_state_anew(page: Page, api: httpx2.Client) -> None:
    page.add_init_script(INJECT)
    page.goto("/ui/")
    expect(page.locator("#connection-text")).to_have_text("Live")
    with page.expect_request(re.compile(r"/v1/jobs\?limit=100")):
        page.evaluate("""inject('event: stream.reset\\ndata: {"oldest": 5}\\n\\n')""")


def test_a_frame_may_come_in_pieces(page: Page, api: httpx2.Client) -> None:
    page.add_init_script(INJECT)
    page.goto("/ui/")
    expect(page.locator("#connection-text")).to_have_text("Live")
    page.evaluate("inject('event: stream.lag')")
    page.evaluate("""inject('ged\\ndata: {"missed_from": 5, "miss')""")
    page.evaluate("""inject('ed_to": 99999999}\\n\\n')""")
    expect(page.locator("#banner")).to_contain_text("events 5 to 99999999")


def test_a_tab_that_was_opened_behind_others_takes_no_connection(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider
) -> None:
    streams: list[str] = []
    page.on(
        "request", lambda request: streams.append(request.url) if request.url.endswith("/events") else None
    )
    page.clock.install()
    page.add_init_script(
        'Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });'
    )
    job = spawn(api, "stepwise", "opened behind")
    page.goto(f"/ui/jobs/{job['id']}")
    expect(page.locator("#connection-text")).to_have_text("Asleep")
    expect(page).to_have_title(re.compile("^(pending|running)"))
    speaker.say("Done.")
    speaker.finish()
    ended(api, job["id"])
    # Nobody looks, but the title is seen.
    page.clock.fast_forward("00:31")
    expect(page).to_have_title(re.compile("^completed"))
    assert streams == []
    page.evaluate(LOOK, "visible")
    expect(page.locator("#connection-text")).to_have_text("Complete")
    expect(page.locator(".segment.lane-model")).to_have_count(1)


def test_a_tab_that_nobody_looks_at_gives_its_connection_back(page: Page, api: httpx2.Client) -> None:
    page.clock.install()
    page.goto("/ui/")
    expect(page.locator("#connection-text")).to_have_text("Live")
    page.evaluate(LOOK, "hidden")
    page.clock.fast_forward("00:16")
    expect(page.locator("#connection-text")).to_have_text("Asleep")
    job = run(api, "quick", "while it slept")
    expect(page.locator(f'tr[data-id="{job["id"]}"]')).to_have_count(0)
    page.evaluate(LOOK, "visible")
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page.locator(f'tr[data-id="{job["id"]}"] .state')).to_have_text("completed")


@pytest.mark.parametrize("kind", ["list", "job"])
def test_a_tab_that_is_shown_again_after_an_hour_is_right(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider, kind: str
) -> None:
    job = spawn(api, "stepwise", "a long hour")
    page.clock.install()
    page.goto("/ui/" if kind == "list" else f"/ui/jobs/{job['id']}")
    expect(page.locator("#connection-text")).to_have_text("Live")
    speaker.say("Begun. ")
    page.evaluate(LOOK, "hidden")
    page.clock.fast_forward("00:16")
    expect(page.locator("#connection-text")).to_have_text("Asleep")
    speaker.say("Ended.")
    speaker.finish()
    ended(api, job["id"])
    page.clock.fast_forward("01:01:00")
    page.evaluate(LOOK, "visible")
    if kind == "list":
        expect(page.locator(f'tr[data-id="{job["id"]}"] .state')).to_have_text("completed")
        expect(page.locator("#connection-text")).to_have_text("Live")
    else:
        expect(page.locator("#facts .state")).to_have_text("completed")
        expect(page.locator("#output")).to_have_text("Begun. Ended.")
        expect(page.locator(".segment.lane-model.is-open")).to_have_count(0)
        expect(page.locator("#connection-text")).to_have_text("Complete")


def test_a_browser_that_keeps_nothing_shows_everything(page: Page, api: httpx2.Client) -> None:
    page.add_init_script("""
      for (const name of ["localStorage", "sessionStorage"]) {
        Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
      }
    """)
    job = run(api, "quick")
    page.goto("/ui/")
    expect(page.locator(f'tr[data-id="{job["id"]}"] .state')).to_have_text("completed")
    page.keyboard.press("t")
    page.goto("/ui/spawn?agent=quick")
    page.get_by_label("Input", exact=True).fill("a question")
    page.get_by_role("button", name="Spawn", exact=True).click()
    page.wait_for_url(re.compile(r"/ui/jobs/"))
    expect(page.locator("#facts .state")).to_have_text("completed")


def test_a_machine_that_slept_in_the_middle_of_a_request_goes_on(page: Page, api: httpx2.Client) -> None:
    page.clock.install()
    page.goto("/ui/")
    expect(page.locator("#connection-text")).to_have_text("Live")
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route(re.compile(r"/v1/jobs\?limit=100"), hold_the_first)
    with page.expect_request(re.compile(r"/v1/jobs\?limit=100")):
        first = run(api, "quick", "before it slept")
    page.clock.fast_forward("01:00:00")
    held[0].continue_()
    expect(page.locator(f'tr[data-id="{first["id"]}"]')).to_be_visible()
    second = run(api, "quick", "after it woke")
    page.clock.run_for("00:06")
    expect(page.locator(f'tr[data-id="{second["id"]}"]')).to_be_visible()
