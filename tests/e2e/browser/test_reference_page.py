"""The API reference: readable on a phone, in both themes, by keyboard, and true to the document."""

from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect
from tests.support.page_probes import NAMELESS, TOO_WIDE, WEAK_TEXTS

from airboss.domain.error_texts import ERROR_TEXTS
from airboss.domain.errors import ERROR_CODES

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
#: Pairs of texts of one summary that cover each other.
OVERLAPS = """
() => [...document.querySelectorAll("#operations > section > details > summary")].flatMap((summary) => {
  const boxes = [...summary.children].map((child) => [child.textContent, child.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], at) => boxes.slice(at + 1)
    .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
    .map(([other]) => `${one} / ${other}`));
})
"""
SMALL_TARGETS = """
() => [...document.querySelectorAll("main summary, main a, main button, main input")]
  .filter((node) => node.checkVisibility() && !node.closest("p, li, dd"))
  .map((node) => [node.textContent.slice(0, 30), node.getBoundingClientRect().height])
  .filter(([, height]) => height < 32)
"""
OPEN_ALL = "() => { for (const each of document.querySelectorAll('details')) each.open = true; }"


def open_reference(page: Page, address: str = "/docs") -> None:
    page.goto(address)
    expect(page.locator("#operations > section").first).to_be_visible()


def plain(text: str) -> str:
    return text.replace("`", "")


def operation(page: Page, method: str, path: str) -> Locator:
    return page.locator(f'[data-operation="{method} {path}"]')


@pytest.mark.parametrize(
    "context_options",
    [PHONE | {"color_scheme": "light"}, PHONE | {"color_scheme": "dark"}],
    ids=["light", "dark"],
)
def test_a_phone_shows_all_of_it(page: Page, context_options: dict[str, Any]) -> None:
    open_reference(page)
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(SMALL_TARGETS) == []
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360, page.evaluate(TOO_WIDE)
    assert page.evaluate(WEAK_TEXTS) == []
    assert page.evaluate(NAMELESS) == []


def test_every_operation_is_there_with_what_it_takes_and_sends(page: Page, api: httpx2.Client) -> None:
    open_reference(page)
    document = api.get("/openapi.json").json()
    count = sum(len(item) for item in document["paths"].values())
    expect(page.locator("#operations details.operation")).to_have_count(count)
    spawn = operation(page, "POST", "/v1/jobs")
    spawn.locator("> summary").click()
    expect(spawn).to_contain_text("Needs the role run")
    expect(spawn).to_contain_text("Idempotency-Key")
    # A field of the body with its type and its bounds.
    taken = spawn.locator("> .params > dt", has_text="priority")
    expect(taken).to_contain_text("integer")
    expect(taken).to_contain_text("0 to 9, default 5")
    accepted = spawn.locator("details", has=page.locator("summary", has_text="202"))
    expect(accepted).to_contain_text("Location")
    refused = spawn.locator("details", has=page.locator("summary", has_text="429"))
    refused.locator("summary").click()
    expect(refused).to_contain_text("queue_full")
    expect(refused).to_contain_text(plain(ERROR_TEXTS["queue_full"].meaning))
    expect(refused).to_contain_text("Retry-After")


def test_its_curl_line_does_what_it_says(page: Page, api: httpx2.Client) -> None:
    open_reference(page)
    spawn = operation(page, "POST", "/v1/jobs")
    spawn.locator("> summary").click()
    line = spawn.locator("pre.curl").inner_text()
    assert line.startswith(f"curl -s -X POST '{str(api.base_url).rstrip('/')}/v1/jobs'")
    assert "'Content-Type: application/json'" in line
    assert '"agent"' in line
    stream = operation(page, "GET", "/v1/events")
    stream.locator("> summary").click()
    expect(stream.locator("pre.curl")).to_contain_text("curl -sN '")


def test_it_is_filtered_and_an_operation_has_an_address(page: Page) -> None:
    open_reference(page)
    page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Filter the operations")
    expect(search).to_be_focused()
    page.keyboard.type("cancel post")
    shown = page.locator("#operations details.operation:visible")
    expect(shown).to_have_count(1)
    expect(page.locator("#found")).to_have_text("1 operation.")
    page.keyboard.press("Tab")
    expect(shown.locator("> summary")).to_be_focused()
    page.keyboard.press("Enter")
    expect(shown).to_contain_text("already_final")
    address = page.url
    assert "#" in address
    page.goto("/ui/")
    open_reference(page, address)
    expect(operation(page, "POST", "/v1/jobs/{job_id}/cancel")).to_have_attribute("open", "")
    expect(operation(page, "POST", "/v1/jobs/{job_id}/cancel")).to_be_in_viewport()
    search.fill("nothing like this")
    expect(page.locator("#found")).to_contain_text("No operation")
    search.press("Escape")
    expect(search).to_have_value("")
    expect(page.locator("#found")).to_have_text("")


def test_every_code_has_its_sentences(page: Page) -> None:
    open_reference(page)
    errors = page.locator("#errors")
    expect(errors.locator("dt")).to_have_count(len(ERROR_CODES))
    expect(errors).to_contain_text(plain(ERROR_TEXTS["queue_full"].advice))
    page.goto("/docs#error-queue_full")
    expect(page.locator("#error-queue_full")).to_be_in_viewport()


def test_it_is_reached_by_key(page: Page) -> None:
    page.goto("/ui/spawn")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/docs")
