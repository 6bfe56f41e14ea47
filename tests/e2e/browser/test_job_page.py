"""One job: its output while it is written, its timeline, its error with advice, cancel and retry."""

import re

import httpx2
from playwright.sync_api import Page, expect
from tests.support.api_jobs import ended, run, spawn
from tests.support.browser import Complaints
from tests.support.speaking_provider import SpeakingProvider

from airboss.domain.error_texts import ERROR_TEXTS

#: Keeps how long the page could not answer a key, in milliseconds.
LONG_TASKS = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
}).observe({ type: "longtask", buffered: true });
"""
#: Fourteen seconds where each piece is laid out by itself, a tenth of one where they are laid out together.
LONGEST_TASK_MS = 1500
KILOBYTE = ("x" * 58 + " word\n") * 16
MARKUP = '<img src=x onerror="document.title=1"><script>alert(1)</script><b>bold</b>'


def open_job(page: Page, job_id: str) -> None:
    page.goto(f"/ui/jobs/{job_id}")
    expect(page.locator("#job")).to_be_visible()


def test_the_output_is_shown_while_it_is_written(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider
) -> None:
    job = spawn(api, "stepwise", "write something")
    open_job(page, job["id"])
    output = page.locator("#output")
    speaker.say("First 🌍 ")
    expect(output).to_have_text("First 🌍 ")
    expect(page.locator("#facts .state")).to_have_text("running")
    speaker.say("second ")
    expect(output).to_have_text("First 🌍 second ")
    page.reload()
    expect(output).to_have_text("First 🌍 second ")
    speaker.say(f"{MARKUP} third")
    expect(output).to_have_text(f"First 🌍 second {MARKUP} third")
    speaker.finish()
    expect(page.locator("#facts .state")).to_have_text("completed")
    expect(page.locator("#connection-text")).to_have_text("Complete")
    expect(output).to_have_text(f"First 🌍 second {MARKUP} third")
    expect(page.locator("#facts")).to_contain_text("1 model call, 1,843 tokens in, 212 out")
    expect(page.locator("#facts")).to_contain_text("fake / stepwise")
    assert output.locator("img, script, b").count() == 0


def test_a_megabyte_that_is_written_does_not_stop_the_page(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider
) -> None:
    page.add_init_script(LONG_TASKS)
    job = spawn(api, "stepwise")
    open_job(page, job["id"])
    for _ in range(1024):
        speaker.say(KILOBYTE)
    speaker.say("The end.")
    output = page.locator("#output")
    expect(output).to_contain_text("The end.", timeout=60_000)
    # As it is written, its last half a million characters.
    assert 400_000 < len(output.text_content() or "") <= 500_000
    assert page.evaluate("Math.max(0, ...longTasks)") < LONGEST_TASK_MS
    speaker.finish()
    expect(page.locator("#facts .state")).to_have_text("completed")
    expect(page.locator("#output-note")).to_have_text("")
    assert len(output.text_content() or "") == 1024 * 1024 + len("The end.")


def test_the_timeline_shows_waits_calls_and_tools_with_their_durations(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider
) -> None:
    job = spawn(api, "research")
    open_job(page, job["id"])
    expect(page.locator(".segment.lane-queue")).to_have_count(1)
    expect(page.locator(".segment.lane-tool")).to_have_count(3)
    expect(page.locator(".segment.lane-model")).to_have_count(3)
    expect(page.locator(".segment.lane-model.is-open")).to_have_count(1)
    speaker.say("Done.")
    speaker.finish()
    expect(page.locator(".segment.lane-model.is-open")).to_have_count(0)
    expect(page.locator(".segment.lane-tool.is-bad")).to_have_count(1)
    read = page.locator(".segment.lane-tool.is-good").first
    read.hover()
    told = page.locator(".timeline-told")
    expect(told).to_contain_text(re.compile(r"Tools: files\.list · step 1 · \d.* m?s · answered"))
    page.locator(".segment[tabindex='0']").focus()
    page.keyboard.press("End")
    expect(told).to_contain_text("Model calls: fake / research · step 3")
    page.get_by_text("The timeline as a table").click()
    rows = page.locator("#step-rows tr")
    expect(rows).to_have_count(7)
    expect(rows.filter(has_text="failed")).to_have_count(1)
    expect(rows.nth(0)).to_contain_text("Waiting to start")


def test_steps_that_a_resume_replayed_are_marked(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider
) -> None:
    job = spawn(api, "research")
    open_job(page, job["id"])
    expect(page.locator(".segment.lane-model.is-open")).to_have_count(1)
    speaker.say("Done.")
    speaker.finish()
    ended(api, job["id"])
    pages = api.get(job["links"]["events"], params={"limit": 200}).json()
    for event in pages["data"]:
        if event["type"] in ("model.answered", "tool.answered"):
            event["data"] |= {"replayed": True, "duration_seconds": 0.0}
    pages["data"] = [event for event in pages["data"] if not event["type"].endswith(".called")]
    page.route(f"**/v1/jobs/{job['id']}/events*", lambda route: route.fulfill(json=pages))
    page.reload()
    expect(page.locator(".segment.lane-model.is-replayed")).to_have_count(3)
    expect(page.locator(".segment.lane-tool.is-replayed")).to_have_count(2)
    expect(page.locator("#timeline-note")).to_contain_text("replayed from the journal")


def test_text_after_a_resume_starts_again_at_the_offset_of_its_step(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider, complaints: Complaints
) -> None:
    complaints.expected = ["ERR_FAILED"]
    job = spawn(api, "stepwise")
    speaker.say("x")
    events = api.get(job["links"]["events"], params={"limit": 200}).json()["data"]

    def delta(text: str, step: int, offset: int) -> dict[str, object]:
        data = {"job_id": job["id"], "text": text, "step": step, "offset": offset}
        return {**events[0], "id": "1", "type": "output.delta", "data": data}

    written = [
        delta("One. ", 1, 0), delta("Twö 🌍", 2, 5), delta(" lost", 2, 10),
        delta("Two again", 2, 5), delta(", and on", 2, 14),
    ]  # fmt: skip
    page.route(
        re.compile(r"/events\?limit"),
        lambda route: route.fulfill(json={"data": written, "next_cursor": None, "has_more": False}),
    )
    page.route(re.compile(r"/events$"), lambda route: route.abort())
    page.goto(f"/ui/jobs/{job['id']}")
    expect(page.locator("#output")).to_have_text("One. Two again, and on")


def test_a_failure_is_shown_with_advice_from_the_one_table(page: Page, api: httpx2.Client) -> None:
    job = run(api, "refused", MARKUP, metadata={"note": MARKUP})
    open_job(page, job["id"])
    error = page.locator("#error")
    expect(error.locator("h2")).to_have_text("provider_rejected")
    expect(error).to_contain_text(job["error"]["message"])
    expect(error).to_contain_text(ERROR_TEXTS["provider_rejected"].advice)
    expect(page.locator("#input")).to_have_text(MARKUP)
    expect(page.locator("#metadata")).to_contain_text("<img src=x onerror=")
    assert page.locator("main img, main script, main b").count() == 0


def test_markup_in_an_error_is_text(page: Page, api: httpx2.Client) -> None:
    job = run(api, "refused") | {"agent": MARKUP, "owner": MARKUP}
    job["error"] = {"code": "<b>x</b>", "type": "tool", "message": MARKUP, "details": {"tool": MARKUP}}
    page.route(f"**/v1/jobs/{job['id']}", lambda route: route.fulfill(json=job))
    open_job(page, job["id"])
    expect(page.locator("#error-message")).to_have_text(MARKUP)
    expect(page.locator("#error-title")).to_have_text("<b>x</b>")
    expect(page.locator("#job-title")).to_have_text(MARKUP)
    assert page.locator("main img, main script, main b").count() == 0


def test_cancel_is_confirmed_and_told(page: Page, api: httpx2.Client, speaker: SpeakingProvider) -> None:
    job = spawn(api, "stepwise")
    open_job(page, job["id"])
    expect(page.locator("#facts .state")).to_have_text("running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#told")).to_contain_text("Cancel requested")
    expect(page.locator("#facts .state")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_disabled()
    assert ended(api, job["id"])["state"] == "cancelled"


def test_a_cancel_that_comes_too_late_is_told(page: Page, api: httpx2.Client, complaints: Complaints) -> None:
    complaints.expected = ["409 (Conflict)", "ERR_FAILED"]
    job = spawn(api, "idle")
    page.route("**/events", lambda route: route.abort())
    open_job(page, job["id"])
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_role("button", name="Cancel the job")).to_be_visible()
    api.post(job["links"]["cancel"]).raise_for_status()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#told")).to_contain_text("Too late to cancel")
    expect(page.locator("#told")).to_contain_text("already_final")


def test_retry_goes_to_the_new_job(page: Page, api: httpx2.Client) -> None:
    job = run(api, "quick", "once more")
    open_job(page, job["id"])
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#told")).to_contain_text("a retry of")
    expect(page.locator("#facts")).to_contain_text(job["id"])
    assert job["id"] not in page.url
    assert ended(api, page.url.rpartition("/")[2])["retry_of"] == job["id"]


def test_a_retry_that_is_refused_is_told(page: Page, api: httpx2.Client, complaints: Complaints) -> None:
    complaints.expected = ["409 (Conflict)"]
    done = run(api, "quick")
    live = spawn(api, "idle")
    page.route(
        f"**/v1/jobs/{done['id']}/retry",
        lambda route: route.continue_(url=route.request.url.replace(done["id"], live["id"])),
    )
    open_job(page, done["id"])
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#told")).to_contain_text("not_final")


def test_a_job_that_waits_says_what_for(page: Page, api: httpx2.Client) -> None:
    job = spawn(api, "idle")
    open_job(page, job["id"])
    waiting = page.locator("#waiting")
    expect(waiting).to_contain_text("The agent idle is paused")
    later = spawn(api, "quick", run_at="2999-01-01T00:00:00Z")
    open_job(page, later["id"])
    expect(waiting).to_contain_text("It starts at 2999-01-01 00:00:00")
    expect(page.locator("#facts")).to_contain_text("Due")
    api.post(later["links"]["cancel"]).raise_for_status()
    expect(waiting).to_be_hidden()


def test_an_error_leads_to_what_failed(page: Page, api: httpx2.Client) -> None:
    run(api, "crumbling")
    job = run(api, "crumbling")
    assert job["error"]["code"] == "breaker_open"
    open_job(page, job["id"])
    page.locator("#error").get_by_role("link", name="Provider brittle").click()
    page.wait_for_url("**/ui/providers")
    job = run(api, "mcp-user")
    open_job(page, job["id"])
    expect(page.locator("#error").get_by_role("link", name="MCP server broken")).to_be_visible()


def test_a_long_wait_leaves_room_for_the_work(page: Page, api: httpx2.Client) -> None:
    job = run(api, "quick")
    pages = api.get(job["links"]["events"], params={"limit": 200}).json()
    for event in pages["data"]:
        if event["type"] == "job.spawned":
            event["time"] = "2026-01-01T00:00:00.000Z"
    page.route(f"**/v1/jobs/{job['id']}/events*", lambda route: route.fulfill(json=pages))
    open_job(page, job["id"])
    expect(page.locator("#timeline-note")).to_contain_text("from its start; before that it waited")
    call = page.locator(".segment.lane-model rect").first
    assert float(call.get_attribute("width") or 0) > 10
    button = page.get_by_role("button", name="With the wait")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(call).to_have_attribute("width", "3")
    expect(page.locator(".segment.lane-queue").first).to_have_attribute(
        "aria-label", re.compile(r"\d+ d \d+ h")
    )
