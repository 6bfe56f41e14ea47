"""Providers with their breakers; nodes and queues, taken out of service and back."""

import httpx2
from playwright.sync_api import Page, expect
from tests.support.api_jobs import run, spawn


def test_a_breaker_that_opens_is_shown_live(page: Page, api: httpx2.Client) -> None:
    page.goto("/ui/providers")
    card = page.get_by_role("region", name="Provider frail")
    expect(card).to_contain_text("No model was called yet")
    run(api, "failing")
    expect(card.locator(".state")).to_have_text("open")
    expect(card).to_contain_text("probed in 9 m")
    expect(page.locator("#announcer")).to_contain_text("frail / failing is open")


def test_models_are_listed_on_request(page: Page) -> None:
    page.goto("/ui/providers")
    card = page.get_by_role("region", name="Provider offline")
    card.get_by_role("button", name="Show its models").click()
    expect(card).to_contain_text("1 model")
    expect(card.get_by_role("button", name="Ask for its models again")).to_be_visible()


def test_a_queue_is_paused_and_resumed(page: Page, api: httpx2.Client) -> None:
    page.goto("/ui/nodes")
    row = page.locator("tr[data-agent=quick]")
    page.get_by_role("button", name="Pause agent quick").click()
    expect(row.locator(".state")).to_have_text("paused")
    job = spawn(api, "quick")
    expect(row.locator("td").nth(2)).to_have_text("1")
    page.get_by_role("button", name="Resume agent quick").click()
    expect(row.locator(".state")).to_have_text("active")
    expect(row.locator("td").nth(2)).to_have_text("0")
    assert api.get(f"/v1/jobs/{job['id']}/wait").json()["state"] == "completed"


def test_a_node_is_drained_and_put_back(page: Page, api: httpx2.Client) -> None:
    page.goto("/ui/nodes")
    row = page.locator("#node-rows tr")
    row.get_by_role("button", name="Drain").click()
    expect(row.locator(".state")).to_have_text("draining")
    row.get_by_role("button", name="Resume").click()
    expect(row.locator(".state")).to_have_text("active")
    assert api.get("/v1/coord/nodes").json()["data"][0]["state"] == "active"
