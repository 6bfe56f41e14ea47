"""Addresses of jobs and pages that are not there: said plainly, with a way to go on."""

import re

import httpx2
import pytest
from playwright.sync_api import Page, expect
from tests.support.api_jobs import run, spawn
from tests.support.browser import Complaints
from tests.support.envelope import assert_refused

NO_SUCH_ID = "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("job_id", ["nope", NO_SUCH_ID, NO_SUCH_ID.upper(), "%3Cb%3Ebold"])
def test_a_job_that_is_not_there_is_said_so(page: Page, complaints: Complaints, job_id: str) -> None:
    complaints.expected = ["Failed to load resource: the server responded with a status of 404"]
    page.goto(f"/ui/jobs/{job_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such job")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("job_not_found")
    expect(alert).to_contain_text("there is no job '")
    expect(alert).to_contain_text("Retention may have removed the job, or it belongs to another tenant")
    expect(page.locator("#connection-text")).not_to_have_text("Connecting")
    expect(page).to_have_title(re.compile("no such job"))
    for name in ("Cancel", "Retry", "Edit and spawn"):
        expect(page.get_by_text(name, exact=True)).to_be_hidden()
    assert page.locator("main b").count() == 0
    page.locator("main").get_by_role("link", name="All jobs").click()
    page.wait_for_url("**/ui/")


def test_a_job_that_goes_while_its_page_is_open_is_said_so(
    page: Page, api: httpx2.Client, complaints: Complaints
) -> None:
    complaints.expected = ["404 (Not Found)"]
    job = spawn(api, "idle", "kept on the screen")
    page.goto(f"/ui/jobs/{job['id']}")
    expect(page.locator("#connection-text")).to_have_text("Live")
    refusal = api.get(f"/v1/jobs/{NO_SUCH_ID}").json()
    page.route(f"**/v1/jobs/{job['id']}", lambda route: route.fulfill(status=404, json=refusal))
    api.post(job["links"]["cancel"]).raise_for_status()
    expect(page.locator("#told")).to_contain_text("This job is not kept any more")
    expect(page.locator("#input")).to_have_text("kept on the screen")
    expect(page.get_by_role("button", name="Retry")).to_be_disabled()


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_in_trouble_is_asked_again_for_the_job(
    page: Page, api: httpx2.Client, complaints: Complaints, status: int
) -> None:
    complaints.expected = [f"status of {status}"]
    job = run(api, "quick")
    error = {"code": "storage_unavailable", "message": "the store cannot be read now", "details": {}}
    page.clock.install()
    page.route(f"**/v1/jobs/{job['id']}", lambda route: route.fulfill(status=status, json={"error": error}))
    page.goto(f"/ui/jobs/{job['id']}")
    expect(page.get_by_role("alert")).to_contain_text("the store cannot be read now")
    expect(page.locator("#connection-text")).to_have_text("Disconnected")
    page.unroute(f"**/v1/jobs/{job['id']}")
    page.clock.fast_forward("00:10")
    expect(page.locator("#facts .state")).to_have_text("completed")
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#connection-text")).to_have_text("Complete")


@pytest.mark.parametrize("address", ["/ui/nothing", "/ui/spawn/", "/ui/jobs/", "/ui/<b>bold</b>"])
def test_a_page_that_is_not_there_is_said_so(page: Page, complaints: Complaints, address: str) -> None:
    complaints.expected = ["Failed to load resource: the server responded with a status of 404"]
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    expect(page.get_by_role("alert")).to_contain_text("route_not_found")
    expect(page.get_by_role("alert")).to_contain_text(f"there is no route {address.partition('<')[0]}")
    assert page.locator("main b").count() == 0
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_url("**/ui/")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/ui/nothing", "route_not_found"),
        ("/ui/jobs/nope", "job_not_found"),
        ("/ui/?colour=red", "invalid_parameter"),
        ("/ui/assets/nothing.js", "route_not_found"),
    ],
)
def test_a_browser_gets_a_page_and_others_the_envelope(api: httpx2.Client, address: str, code: str) -> None:
    error = assert_refused(api.get(address), code)
    shown = api.get(address, headers=BROWSER)
    assert shown.status_code == api.get(address).status_code
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert shown.headers["cache-control"] == "no-store"
    for words in (code, error["message"].replace("'", "&#x27;"), shown.headers["x-request-id"]):
        assert words in shown.text, words


def test_errors_elsewhere_are_the_envelope_for_browsers_too(api: httpx2.Client) -> None:
    assert_refused(api.get("/v1/jobs/nope", headers=BROWSER), "job_not_found")
    assert_refused(api.get("/uifoo", headers=BROWSER), "route_not_found")


def test_the_dashboards_address_without_its_slash_leads_there(api: httpx2.Client) -> None:
    for method in ("GET", "HEAD"):
        answer = api.request(method, "/ui?state=failed&state=timed_out&search=a%20b%26c")
        assert answer.status_code == 307
        assert answer.headers["location"] == "/ui/?state=failed&state=timed_out&search=a%20b%26c"
    assert api.get("/ui").headers["location"] == "/ui/"
    assert_refused(api.get("/ui?colour=red"), "invalid_parameter")
    assert_refused(api.get("/ui/spawn/"), "route_not_found")


def test_a_browser_follows_it_with_the_query(page: Page) -> None:
    page.goto("/ui?state=failed")
    expect(page.get_by_label("failed", exact=True)).to_be_checked()
    assert page.url.endswith("/ui/?state=failed")
