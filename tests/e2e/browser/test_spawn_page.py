"""The spawn form: made from the agents, with the server's refusals beside their fields."""

import re

import httpx2
from playwright.sync_api import Page, expect
from tests.support.api_jobs import get, run
from tests.support.browser import Complaints


def open_form(page: Page, address: str = "/ui/spawn") -> None:
    page.goto(address)
    expect(page.get_by_label("Agent", exact=True)).to_be_enabled()


def test_the_form_is_made_from_the_agents(page: Page, api: httpx2.Client) -> None:
    names = sorted(agent["name"] for agent in api.get("/v1/agents").json()["data"])
    open_form(page, "/ui/spawn?agent=research")
    assert sorted(page.locator("#agent option").evaluate_all("all => all.map(one => one.value)")) == names
    expect(page.get_by_label("Agent", exact=True)).to_have_value("research")
    expect(page.locator("#about")).to_contain_text("fake / research")
    expect(page.locator("#about")).to_contain_text("files.list, files.read")
    page.get_by_label("Agent", exact=True).select_option("idle")
    expect(page.locator("#about")).to_contain_text("paused")


def test_a_job_is_spawned_with_everything_that_was_filled_in(page: Page, api: httpx2.Client) -> None:
    open_form(page)
    page.get_by_label("Agent", exact=True).select_option("quick")
    page.get_by_label("JSON", exact=True).check()
    page.get_by_label("Input", exact=True).fill('{"question": "why"}')
    page.get_by_text("Options").click()
    page.get_by_label("Priority").fill("7")
    page.get_by_label("Time-out in seconds").fill("12.5")
    page.get_by_label("Longest queue wait").fill("30")
    page.get_by_label("Run at").fill("2035-05-01T12:30:00")
    page.get_by_label("Metadata").fill('{"ticket": "A-17"}')
    page.get_by_label("Metadata").press("Control+Enter")
    page.wait_for_url(re.compile(r"/ui/jobs/"))
    expect(page.locator("#told")).to_contain_text("spawned")
    job = get(api, page.url.rpartition("/")[2])
    assert (job["agent"], job["input"], job["priority"]) == ("quick", {"question": "why"}, 7)
    assert (job["timeout_seconds"], job["max_queue_wait_seconds"]) == (12.5, 30)
    assert (job["run_at"], job["metadata"]) == ("2035-05-01T12:30:00.000Z", {"ticket": "A-17"})


def test_what_the_server_refuses_stands_beside_its_field(page: Page, complaints: Complaints) -> None:
    complaints.expected = ["422 (Unprocessable"]
    open_form(page)
    page.get_by_label("Input", exact=True).fill("a question")
    page.get_by_text("Options").click()
    page.get_by_label("Priority").fill("12")
    page.get_by_label("Time-out in seconds").fill("0")
    page.get_by_role("button", name="Spawn", exact=True).click()
    priority = page.get_by_label("Priority")
    expect(priority).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[data-field=priority] .field-error")).to_contain_text("must be 9 or less")
    expect(page.locator("[data-field=timeout_seconds] .field-error")).to_contain_text("greater than 0")
    expect(priority).to_be_focused()
    priority.fill("9")
    page.get_by_label("Time-out in seconds").fill("")
    page.get_by_role("button", name="Spawn", exact=True).click()
    page.wait_for_url(re.compile(r"/ui/jobs/"))


def test_what_is_no_json_is_said_before_it_is_sent(page: Page) -> None:
    open_form(page)
    page.get_by_role("button", name="Spawn", exact=True).click()
    expect(page.locator("[data-field=input] .field-error")).to_contain_text("say what the agent is asked")
    page.get_by_label("JSON", exact=True).check()
    page.get_by_label("Input", exact=True).fill("{")
    page.get_by_role("button", name="Spawn", exact=True).click()
    expect(page.locator("[data-field=input] .field-error")).to_contain_text("not JSON")


def test_a_refusal_that_belongs_to_no_field_stands_above_the_form(page: Page, complaints: Complaints) -> None:
    complaints.expected = ["429 (Too Many"]
    error = {"code": "queue_full", "type": "overloaded", "message": "1000 jobs are pending", "details": {}}
    page.route(
        "**/v1/jobs",
        lambda route: route.fulfill(status=429, headers={"Retry-After": "4"}, json={"error": error}),
    )
    open_form(page)
    page.get_by_label("Input", exact=True).fill("a question")
    page.get_by_role("button", name="Spawn", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("1000 jobs are pending (queue_full); try again in 4 s")
    expect(page.get_by_role("button", name="Spawn", exact=True)).to_be_enabled()


def test_two_sends_of_one_form_make_one_job(page: Page, api: httpx2.Client, complaints: Complaints) -> None:
    complaints.expected = ["ERR_FAILED"]
    answers = []

    def lose_the_first_answer(route):  # type: ignore[no-untyped-def]
        answer = route.fetch()
        answers.append(answer.json()["id"])
        if len(answers) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    page.route("**/v1/jobs", lose_the_first_answer)
    open_form(page, "/ui/spawn?agent=quick")
    page.get_by_label("Input", exact=True).fill("exactly once")
    page.get_by_role("button", name="Spawn", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.get_by_role("button", name="Spawn", exact=True).click()
    page.wait_for_url(re.compile(r"/ui/jobs/"))
    assert len(answers) == 2
    assert len(set(answers)) == 1


def test_a_job_can_be_edited_and_spawned_again(page: Page, api: httpx2.Client) -> None:
    job = run(api, "quick", "the first words", priority=3, metadata={"a": 1})
    page.goto(f"/ui/jobs/{job['id']}")
    page.get_by_role("link", name="Edit and spawn").click()
    expect(page.get_by_label("Input", exact=True)).to_have_value("the first words")
    expect(page.get_by_label("Priority")).to_have_value("3")
    expect(page.get_by_label("Agent", exact=True)).to_have_value("quick")
