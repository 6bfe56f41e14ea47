"""The list of jobs: live, filtered, searched, and the same after a reload."""

import re

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect
from tests.support.api_jobs import ended, run, spawn
from tests.support.speaking_provider import SpeakingProvider

MARKUP = '<img src=x onerror="document.title=1"><script>alert(1)</script><b>bold</b>'


def open_list(page: Page, address: str = "/ui/") -> None:
    page.goto(address)
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page.locator("#jobs")).to_have_attribute("aria-busy", "false")


def test_a_job_appears_and_changes_state_without_a_reload(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider
) -> None:
    open_list(page)
    page.evaluate("window.sameDocument = true")
    job = spawn(api, "stepwise", "a question of this test")
    row = page.locator(f'tr[data-id="{job["id"]}"]')
    expect(row.locator(".state")).to_have_text("running")
    expect(row.locator(".cell-input")).to_have_text("a question of this test")
    speaker.say("An answer.")
    speaker.finish()
    expect(row.locator(".state")).to_have_text("completed")
    expect(page.locator("#announcer")).to_contain_text("is completed")
    assert page.evaluate("window.sameDocument")


def test_filters_and_search_live_in_the_address_and_survive_a_reload(page: Page, api: httpx2.Client) -> None:
    waiting = spawn(api, "idle", "about gardens")
    done = run(api, "quick", "about gardens too")
    other = run(api, "quick", "about ships", metadata={"ticket": "XK-77"})
    open_list(page)
    page.get_by_label("pending", exact=True).check()
    expect(page.locator(f'tr[data-id="{waiting["id"]}"]')).to_be_visible()
    expect(page.locator(f'tr[data-id="{done["id"]}"]')).to_have_count(0)
    expect(page).to_have_url(re.compile(r"\?state=pending$"))
    page.get_by_label("completed", exact=True).check()
    page.get_by_label("Agent").select_option("quick")
    page.get_by_role("searchbox", name="Search").fill("xk-77 SHIPS")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator(f'tr[data-id="{other["id"]}"]')).to_be_visible()
    address = page.url
    assert "state=pending&state=completed" in address
    assert "agent=quick" in address
    page.reload()
    expect(page.locator("#rows tr")).to_have_count(1)
    assert page.url == address
    expect(page.get_by_label("completed", exact=True)).to_be_checked()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("xk-77 SHIPS")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(f'tr[data-id="{waiting["id"]}"]')).to_be_visible()
    expect(page).to_have_url(re.compile(r"/ui/$"))


@pytest.mark.parametrize("context_options", [{"timezone_id": "Asia/Kathmandu"}], ids=["kathmandu"])
def test_a_range_of_time_is_chosen_in_the_browsers_zone(
    page: Page, context_options: dict[str, object], api: httpx2.Client
) -> None:
    job = run(api, "quick", "in the range")
    open_list(page)
    row = page.locator(f'tr[data-id="{job["id"]}"]')
    expect(row).to_be_visible()
    page.get_by_label("Created").select_option("from … to …")
    page.get_by_label("From", exact=True).fill("2026-01-01T05:45:00")
    expect(page).to_have_url(re.compile(r"\?created_after=2026-01-01T00%3A00%3A00.000Z$"))
    expect(row).to_be_visible()
    page.get_by_label("to", exact=True).fill("2026-01-02T05:45:00")
    expect(page.locator("#empty")).to_contain_text("No job fits these filters")
    page.reload()
    expect(page.locator("#empty")).to_contain_text("No job fits these filters")
    expect(page.get_by_label("From", exact=True)).to_have_value(re.compile("^2026-01-01T05:45"))
    page.get_by_label("to", exact=True).fill("")
    expect(row).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_label("From", exact=True)).to_be_hidden()
    expect(page).to_have_url(re.compile("/ui/$"))


def test_a_job_that_no_longer_fits_the_filter_goes(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider
) -> None:
    job = spawn(api, "stepwise")
    open_list(page, "/ui/?state=running&agent=stepwise")
    row = page.locator(f'tr[data-id="{job["id"]}"]')
    expect(row).to_be_visible()
    speaker.finish()
    ended(api, job["id"])
    expect(row).to_have_count(0)
    expect(page.locator("#empty")).to_contain_text("No job fits these filters")


def test_older_jobs_are_loaded_on_request_and_stay(page: Page, api: httpx2.Client) -> None:
    first = spawn(api, "quick", "the oldest of many", run_at="2999-01-01T00:00:00Z")
    for number in range(120):
        spawn(api, "quick", f"number {number}", run_at="2999-01-01T00:00:00Z")
    open_list(page)
    expect(page.locator("#rows tr")).to_have_count(100)
    page.get_by_role("button", name="Load older jobs").click()
    row = page.locator(f'tr[data-id="{first["id"]}"]')
    expect(row).to_be_attached()
    api.post(first["links"]["cancel"]).raise_for_status()
    expect(row.locator(".state")).to_have_text("cancelled")
    identifiers = page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert identifiers == sorted(set(identifiers), reverse=True)


def test_a_search_looks_behind_the_first_page(page: Page, api: httpx2.Client) -> None:
    spawn(api, "quick", "a needle", run_at="2999-01-01T00:00:00Z")
    for number in range(110):
        spawn(api, "quick", f"hay {number}", run_at="2999-01-01T00:00:00Z")
    open_list(page, "/ui/?search=needle&state=pending")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#list-note")).to_contain_text("1 of the newest")


def test_updates_can_be_paused(page: Page, api: httpx2.Client) -> None:
    open_list(page)
    page.keyboard.press("p")
    button = page.get_by_role("button", name="Resume updates")
    expect(button).to_have_attribute("aria-pressed", "true")
    job = run(api, "quick", "while nobody looks")
    expect(page.locator("#list-note")).to_contain_text("changes behind")
    expect(page.locator(f'tr[data-id="{job["id"]}"]')).to_have_count(0)
    button.click()
    expect(page.locator(f'tr[data-id="{job["id"]}"]')).to_be_visible()


def test_charts_are_filled_after_a_reload_and_say_what_they_cover(page: Page, api: httpx2.Client) -> None:
    for _ in range(3):
        run(api, "quick")
    open_list(page)
    for _ in range(2):
        expect(page.locator("#window-covers")).to_contain_text(
            re.compile(r"Since \d\d:\d\d:\d\d: from \d+ jobs?")
        )
        expect(page.locator(".bar-completed").first).to_be_attached()
        expect(page.locator(".line-p50, .dot-p50").first).to_be_attached()
        expect(page.locator(".line-depth").first).to_be_attached()
        page.reload()
    value = page.locator(".chart", has_text="Jobs ended").locator(".chart-value")
    expect(value).to_have_text(re.compile(r"\d+"))
    before = int(value.inner_text().replace(",", ""))
    run(api, "quick")
    expect(value).to_have_text(str(before + 1))
    page.locator(".chart", has_text="Jobs ended").locator("svg").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".chart", has_text="Jobs ended").locator(".chart-when")).to_have_text(
        re.compile(r"\d\d:\d\d:\d\d")
    )
    expect(page.locator("#announcer")).to_have_text(re.compile(r"\d\d:\d\d:\d\d: completed \d+, failed \d+"))


def test_what_the_charts_cover_is_said_when_they_show_it(page: Page, api: httpx2.Client) -> None:
    run(api, "quick")
    page.goto("/ui/")
    told = page.wait_for_function("""() => {
      const covers = document.getElementById("window-covers").textContent;
      return covers && [covers, ...document.querySelectorAll("#charts .chart-value")].map((each) => each.textContent ?? each);
    }""").json_value()
    assert told[0].startswith("Since")
    assert "\u2013" not in told[1:4], told


def test_the_folded_line_says_no_number_before_it_is_known(page: Page, api: httpx2.Client) -> None:
    run(api, "quick")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/v1/jobs\?limit=200"), hold)
    with page.expect_request(re.compile(r"/v1/jobs\?limit=200")):
        open_list(page)
    page.locator("#load-title").click()
    line = page.locator("#load-line")
    expect(line).to_have_text(re.compile(r"workers busy$"))
    # Lets go of all that is held, also of a second one where the page began anew.
    page.unroute(re.compile(r"/v1/jobs\?limit=200"), hold)
    expect(line).to_have_text(re.compile(r"workers busy, [1-9]\d* ended$"))


def test_levels_of_the_past_hold_what_was_there_before(page: Page) -> None:
    page.goto("/ui/")
    # 12 wait: one that the page knows from its list, one that it asked for, and ten beyond.
    depths = page.evaluate("""async () => {
      const { Measures, INTERVALS } = await import("/ui/assets/measures.js");
      const now = Date.parse("2026-11-22T06:00:00Z");
      const waiting = (id, seconds) => ({
        id, state: "pending", created_at: new Date(now - seconds * 1000).toISOString(), run_at: null, started_at: null, finished_at: null,
      });
      const measures = new Measures(600);
      measures.seed([waiting("b", 300)], [waiting("a", 5000)], now - 600000, now, { depth: 12, busy: 0 });
      return measures.series(now).map((entry) => entry.depth);
    }""")
    assert {depth for depth in depths[2:28] if depth is not None} == {11}
    assert {depth for depth in depths[32:58] if depth is not None} == {12}


def test_jobs_before_the_seeded_ones_count_in_the_levels(page: Page, api: httpx2.Client) -> None:
    spawn(api, "idle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    def cut(route):  # type: ignore[no-untyped-def]
        """Say that there are more jobs than the page asks for."""
        found = [] if "cursor=" in route.request.url else route.fetch().json()["data"][:1]
        route.fulfill(json={"data": found, "next_cursor": "more", "has_more": True})

    new = spawn(api, "idle")
    page.route(re.compile(r"/v1/jobs\?limit=200"), cut)
    open_list(page)
    expect(page.locator("#window-covers")).to_contain_text("From the newest")
    (living,) = [url for url in asked if "state=pending&state=running&limit=200" in url]
    before = httpx2.URL(living).params["created_before"]
    assert before == new["created_at"]


@pytest.mark.parametrize("agent", [MARKUP, "quick"])
def test_markup_in_a_job_is_text(page: Page, api: httpx2.Client, agent: str) -> None:
    job = run(api, "quick", MARKUP, metadata={MARKUP: MARKUP})
    if agent == MARKUP:
        # The settings refuse such a name; the page must not rely on it.
        page.route(
            "**/v1/jobs?*",
            lambda route: route.fulfill(
                json={
                    "data": [
                        api.get(job["links"]["self"]).json() | {"input_preview": MARKUP, "agent": MARKUP}
                    ],
                    "next_cursor": None,
                    "has_more": False,
                }
            ),
        )
    open_list(page)
    row = page.locator(f'tr[data-id="{job["id"]}"]')
    expect(row.locator(".cell-input")).to_have_text(MARKUP)
    expect(row.locator(".cell-agent")).to_have_text(agent)
    assert row.locator("img, script, b").count() == 0
    expect(page).to_have_title("Jobs · Airboss")
