"""Both themes, a phone, the keyboard alone, and basic checks of what assistive technology is given."""

import json
import re
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect
from tests.support.api_jobs import ended, run, spawn
from tests.support.page_probes import NAMELESS, TOO_WIDE, WEAK_TEXTS
from tests.support.speaking_provider import SpeakingProvider

ADDRESSES = ("/ui/", "/ui/jobs/{job}", "/ui/spawn", "/ui/providers", "/ui/mcp", "/ui/nodes", "/docs")
READY = {"/docs": "#operations section", "/ui/": "#rows tr", "/ui/spawn": "#about dd"}


@pytest.fixture
def job_of_all_kinds(api: httpx2.Client, speaker: SpeakingProvider) -> str:
    """Leave a job in most states; returns the id of a failed one, whose page shows the most."""
    spawn(api, "idle", "waits " + "verylongword" * 30)
    spawn(api, "quick", run_at="2999-01-01T00:00:00Z")
    api.post(spawn(api, "idle")["links"]["cancel"]).raise_for_status()
    run(api, "quick", "word " * 60, metadata={"key": "value" * 100})
    identifier: str = run(api, "refused", "x" * 400, metadata={"key": "value" * 100})["id"]
    return identifier


def visit(page: Page, address: str, job_id: str) -> None:
    page.goto(address.format(job=job_id))
    expect(
        page.locator(
            READY.get(
                address, "#job, #queue-rows meter, #providers section, #servers section, #node-rows meter"
            )
        ).first
    ).to_be_visible()
    if address != "/docs":
        expect(page.locator("#connection-text")).to_have_text(re.compile("Live|Complete"))


@pytest.mark.parametrize(
    "context_options", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"]
)
def test_texts_stand_out_and_everything_has_a_name(
    page: Page, context_options: dict[str, Any], job_of_all_kinds: str
) -> None:
    grounds = set()
    for address in ADDRESSES:
        visit(page, address, job_of_all_kinds)
        for details in page.locator("main details:not([open]) > summary").all()[:3]:
            details.click()
        assert page.evaluate(WEAK_TEXTS) == [], address
        assert page.evaluate(NAMELESS) == [], address
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 1
    assert (sum(map(int, re.findall(r"\d+", grounds.pop())[:3])) > 600) is (
        context_options["color_scheme"] == "light"
    )


def test_the_theme_is_chosen_and_remembered(page: Page) -> None:
    page.goto("/ui/")
    button = page.get_by_role("button", name=re.compile("^Theme"))
    expect(button).to_have_accessible_name("Theme: system. Change it")
    button.click()
    button.click()
    expect(button).to_have_accessible_name("Theme: dark. Change it")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.goto("/ui/spawn")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize(
    "context_options",
    [{"viewport": {"width": width, "height": 740}, "has_touch": True} for width in (360, 320)],
    ids=["phone", "zoomed four times"],
)
def test_a_phone_never_scrolls_sideways(
    page: Page, context_options: dict[str, Any], job_of_all_kinds: str
) -> None:
    for address in ADDRESSES:
        visit(page, address, job_of_all_kinds)
        for details in page.locator("main details:not([open]) > summary").all()[:3]:
            details.click()
        width = context_options["viewport"]["width"]
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width, page.evaluate(TOO_WIDE)


@pytest.mark.parametrize("context_options", [{"timezone_id": "Asia/Kathmandu"}], ids=["kathmandu"])
def test_times_are_this_browsers_or_utc(
    page: Page, context_options: dict[str, Any], api: httpx2.Client
) -> None:
    job = spawn(api, "quick", run_at="2999-01-01T12:30:00Z")
    page.goto(f"/ui/jobs/{job['id']}")
    expect(page.locator("#facts")).to_contain_text("2999-01-01 18:15:00")
    page.get_by_role("button", name="Times: Asia/K").click()
    expect(page.locator("#facts")).to_contain_text("2999-01-01 12:30:00Z")
    page.reload()
    expect(page.locator("#facts")).to_contain_text("2999-01-01 12:30:00Z")
    expect(page.get_by_role("button", name="Times: UTC")).to_be_visible()
    page.keyboard.press("z")
    expect(page.locator("#facts")).to_contain_text("2999-01-01 18:15:00")


@pytest.mark.parametrize(
    "context_options", [{"viewport": {"width": 360, "height": 740}, "has_touch": True}], ids=["phone"]
)
def test_a_phone_has_all_pages_in_one_row(page: Page, context_options: dict[str, Any]) -> None:
    page.goto("/ui/")
    tops = page.locator("nav[aria-label=Pages] a").evaluate_all(
        "links => links.map(link => link.getBoundingClientRect().top)"
    )
    assert len(set(tops)) == 1


def test_from_the_list_to_a_cancel_by_keyboard_alone(
    page: Page, api: httpx2.Client, speaker: SpeakingProvider
) -> None:
    job = spawn(api, "stepwise", "to be cancelled")
    page.goto("/ui/?state=running&agent=stepwise")
    expect(page.locator(f'tr[data-id="{job["id"]}"]')).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator(f'tr[data-id="{job["id"]}"] a')).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#facts .state")).to_have_text("running")
    page.keyboard.press("c")
    expect(page.get_by_role("dialog", name="Cancel this job?")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel the job")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#facts .state")).to_have_text("cancelled")
    assert ended(api, job["id"])["state"] == "cancelled"
    page.keyboard.press("u")
    page.wait_for_url("**/ui/")


def test_shortcuts_are_listed_and_leave_fields_alone(page: Page) -> None:
    page.goto("/ui/")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("Next job")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Search")
    expect(search).to_be_focused()
    page.keyboard.type("gp?")
    expect(search).to_have_value("gp?")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/ui/providers")


def test_the_first_tab_stop_skips_to_the_content(page: Page) -> None:
    page.goto("/ui/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_focus_is_visible_everywhere(page: Page, api: httpx2.Client) -> None:
    run(api, "quick")
    page.goto("/ui/")
    expect(page.locator("#rows tr").first).to_be_visible()
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                  const node = document.activeElement;
                  const shown = node.closest(".chip") ?? node;
                  return [node.outerHTML.slice(0, 80), getComputedStyle(shown).outlineStyle];
                }"""
            )
        )
    assert [text for text, outline in seen if outline == "none"] == []


@pytest.mark.parametrize("context_options", [{"reduced_motion": "reduce"}], ids=["still"])
def test_nothing_moves_where_that_is_not_wanted(page: Page, context_options: dict[str, Any]) -> None:
    page.goto("/ui/")
    assert page.evaluate("document.getAnimations().length") == 0


def test_the_shell_holds_no_data(api: httpx2.Client) -> None:
    job = run(api, "quick", "a very particular question")
    for address in ADDRESSES:
        answer = api.get(address.format(job=job["id"]))
        assert answer.status_code == 200
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "particular" not in answer.text
        assert job["id"] not in answer.text
        assert not re.search(r"<script(?![^>]*\ssrc=)[^>]*>|\sstyle=|\son\w+=", answer.text), address
        unchanged = api.get(address.format(job=job["id"]), headers={"If-None-Match": answer.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_an_unknown_word_in_the_address_is_refused_as_everywhere(api: httpx2.Client) -> None:
    assert api.get("/ui/?colour=red").status_code == 422
    assert json.loads(api.get("/ui/assets/nothing.js").text)["error"]["code"] == "route_not_found"
