"""What is done with many jobs at once: picked by pointer and by key, cancelled, retried."""

import httpx2
from playwright.sync_api import Locator, Page, expect
from tests.support.api_jobs import get, run, spawn
from tests.support.browser import Complaints


def open_list(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page.locator("#jobs")).to_have_attribute("aria-busy", "false")


def pick_of(page: Page, job: dict[str, object]) -> Locator:
    return page.locator(f'tr[data-id="{job["id"]}"] .pick')


def test_jobs_of_all_states_are_picked_and_each_gets_what_fits(page: Page, api: httpx2.Client) -> None:
    live = [spawn(api, "idle", f"live {number}") for number in range(3)]
    done = run(api, "quick", "ended")
    open_list(page, "/ui/")
    for job in (*live, done):
        pick_of(page, job).check()
    bar = page.get_by_role("region", name="Picked jobs")
    expect(bar).to_contain_text("4 jobs picked")
    expect(bar.get_by_role("button", name="Retry 1")).to_be_enabled()
    bar.get_by_role("button", name="Cancel 3").click()
    dialog = page.get_by_role("dialog", name="Cancel 3 jobs?")
    dialog.get_by_role("button", name="Go back").click()
    assert get(api, live[0]["id"])["state"] == "pending"
    bar.get_by_role("button", name="Cancel 3").click()
    dialog.get_by_role("button", name="Cancel 3 jobs").click()
    expect(page.locator("#told")).to_have_text("3 of 3 jobs cancelled, or being stopped.")
    assert {get(api, job["id"])["state"] for job in live} == {"cancelled"}
    expect(bar).to_contain_text("1 job picked")
    bar.get_by_role("button", name="Retry 1").click()
    page.get_by_role("button", name="Retry 1 job", exact=True).click()
    expect(page.locator("#told")).to_have_text("1 of 1 job retried.")
    newest = api.get("/v1/jobs", params={"limit": 1}).json()["data"][0]
    assert newest["retry_of"] == done["id"]
    expect(bar).to_be_hidden()


def test_by_key_a_range_and_all(page: Page, api: httpx2.Client) -> None:
    jobs = [spawn(api, "idle", f"number {number}") for number in range(5)]
    open_list(page, "/ui/?state=pending&agent=idle")
    expect(page.locator("#rows tr")).to_have_count(5)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(pick_of(page, jobs[4])).to_be_checked()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(f'tr[data-id="{jobs[2]["id"]}"] a')).to_be_focused()
    pick_of(page, jobs[2]).click(modifiers=["Shift"])
    bar = page.get_by_role("region", name="Picked jobs")
    expect(bar).to_contain_text("3 jobs picked")
    # A row that is drawn anew keeps its mark.
    api.post(jobs[3]["links"]["cancel"]).raise_for_status()
    expect(page.locator("#rows tr")).to_have_count(4)
    expect(bar).to_contain_text("2 jobs picked")
    expect(pick_of(page, jobs[4])).to_be_checked()
    page.get_by_label("Pick all jobs that are shown").check()
    expect(bar).to_contain_text("4 jobs picked")
    bar.get_by_role("button", name="Pick none").click()
    expect(bar).to_be_hidden()
    expect(page.get_by_label("Pick all jobs that are shown")).not_to_be_checked()


def test_what_is_refused_is_told_and_stays_picked(
    page: Page, api: httpx2.Client, complaints: Complaints
) -> None:
    complaints.expected = ["403 (Forbidden)", "429 (Too Many"]
    jobs = [spawn(api, "idle") for _ in range(8)]
    error = {"code": "forbidden", "type": "permission", "message": "this needs the role 'run'", "details": {}}
    page.route("**/cancel", lambda route: route.fulfill(status=403, json={"error": error}))
    open_list(page, "/ui/?state=pending&agent=idle")
    page.get_by_label("Pick all jobs that are shown").check()
    page.get_by_role("button", name="Cancel 8").click()
    page.get_by_role("button", name="Cancel 8 jobs").click()
    expect(page.locator("#told")).to_contain_text("0 of 8 jobs cancelled")
    expect(page.locator("#told")).to_contain_text("this needs the role 'run' (forbidden)")
    expect(page.get_by_role("region", name="Picked jobs")).to_contain_text("8 jobs picked")
    page.unroute("**/cancel")
    # Too fast is not too much: the page waits as long as it is told.
    refusals = [429]

    def once_too_fast(route):  # type: ignore[no-untyped-def]
        if refusals:
            body = {"error": error | {"code": "rate_limited"}}
            route.fulfill(status=refusals.pop(), headers={"Retry-After": "1"}, json=body)
        else:
            route.continue_()

    page.route("**/cancel", once_too_fast)
    page.get_by_role("button", name="Cancel 8").click()
    page.get_by_role("button", name="Cancel 8 jobs").click()
    expect(page.locator("#told")).to_contain_text("8 of 8 jobs cancelled")
    assert {get(api, job["id"])["state"] for job in jobs} == {"cancelled"}
