"""Providers with their breakers, MCP servers, nodes and queues; what of them needs attention."""

import re

import httpx2
from playwright.sync_api import Page, expect
from tests.support.api_jobs import run, spawn

#: The SDK is loaded with the first server.
START_MS = 30_000


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


def test_mcp_servers_are_started_stopped_and_say_why_they_fail(page: Page, api: httpx2.Client) -> None:
    page.goto("/ui/mcp")
    tidy = page.get_by_role("region", name="MCP server tidy")
    expect(tidy.locator(".state")).to_have_text("stopped")
    tidy.get_by_role("button", name="Show its tools").click()
    expect(tidy.locator(".state")).to_have_text("running", timeout=START_MS)
    expect(tidy).to_contain_text("tidy.echo")
    tidy.get_by_role("button", name="Stop").click()
    expect(tidy.locator(".state")).to_have_text("stopped")
    expect(page.locator("#told")).to_contain_text("tidy is stopped")
    broken = page.get_by_role("region", name="MCP server broken")
    broken.get_by_role("button", name="Start").click()
    expect(broken.locator(".state")).to_have_text("failed", timeout=START_MS)
    expect(broken).to_contain_text("the process ended with code 3")
    expect(broken.get_by_role("link", name="mcp-user")).to_have_attribute("href", "/ui/?agent=mcp-user")
    api.post("/v1/mcp/servers/broken/stop").raise_for_status()
    expect(broken.locator(".state")).to_have_text("stopped")


def test_what_needs_attention_stands_above_the_jobs(page: Page, api: httpx2.Client) -> None:
    spawn(api, "idle")
    page.goto("/ui/")
    box = page.get_by_role("list", name="What needs attention")
    expect(box).to_contain_text("Agent paused: idle; 1 job waits")
    run(api, "failing")
    # Tests before this one may have opened another.
    expect(box).to_contain_text(re.compile(r"[Bb]reakers? open: .*frail / failing"))
    api.post("/v1/coord/queues/quick/pause").raise_for_status()
    expect(box).to_contain_text("2 agents paused: idle, quick")
    expect(page.locator("#announcer")).to_contain_text("Needs attention: 2 agents paused: idle, quick")
    api.post("/v1/coord/queues/quick/resume").raise_for_status()
    expect(box).to_contain_text("Agent paused: idle")
    api.post("/v1/mcp/servers/broken/start").raise_for_status()
    expect(box).to_contain_text("MCP server failed: broken")
    box.get_by_role("link", name="MCP server failed: broken").click()
    page.wait_for_url("**/ui/mcp")
    api.post("/v1/mcp/servers/broken/stop").raise_for_status()
    page.goto("/ui/")
    expect(box).to_contain_text(re.compile("[Bb]reakers? open"))
    expect(box).not_to_contain_text("MCP server")
