"""Signing in to a real server that asks for tokens: what a page shows without one, and with each role."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from tests.e2e.browser.conftest import prepare, settings_of
from tests.support.api_jobs import run, spawn
from tests.support.auth_servers import client_as, jwt_server
from tests.support.browser import Complaints
from tests.support.server import ServerProcess
from tests.support.speaking_provider import SpeakingProvider
from tests.support.tokens import Forge

#: Long enough to sign in on a loaded machine, short enough to wait for.
SOON_SECONDS = 8
UNAUTHORIZED = "401 (Unauthorized)"
FORBIDDEN = "403 (Forbidden)"
KEPT = "sessionStorage.getItem('airboss.token')"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, speaker: SpeakingProvider) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("sign_in")
    prepare(folder)
    with jwt_server(folder, settings=settings_of(speaker)) as running:
        with client_as(running, "admin", "house") as admin:
            admin.post("/v1/coord/queues/idle/pause").raise_for_status()
            # The first job waits for the agent loop to be loaded: no test should.
            first = spawn(admin, "quick")
            admin.get(f"{first['links']['self']}/wait", params={"timeout_seconds": 60}, timeout=70)
        yield running


@pytest.fixture
def red(server: ServerProcess) -> Iterator[httpx2.Client]:
    with client_as(server, "run", "red") as client:
        yield client


@pytest.fixture
def blue(server: ServerProcess) -> Iterator[httpx2.Client]:
    with client_as(server, "run", "blue") as client:
        yield client


@pytest.fixture(autouse=True)
def no_job_outlives_its_test(server: ServerProcess) -> Iterator[None]:
    yield
    with client_as(server, "admin") as admin:
        live = admin.get("/v1/jobs", params={"state": ["pending", "running"], "limit": 200}).json()
        for job in live["data"]:
            admin.post(job["links"]["cancel"])


def token_of(role: str, tenant: str = "red", **claims: Any) -> str:
    return Forge().token(roles=[role], tenant=tenant, sub=f"{role} of {tenant}", **claims)


def form_of(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Sign in")


def give(page: Page, token: str) -> None:
    form = form_of(page)
    form.get_by_label("Token").fill(token)
    form.get_by_role("button", name="Sign in").click()


def sign_in(page: Page, token: str, path: str = "/ui/") -> None:
    """Open a page, show it a token, and see it live."""
    page.goto(path)
    expect(form_of(page)).to_be_visible()
    give(page, token)
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(form_of(page)).to_be_hidden()


def row_of(page: Page, job: dict[str, Any]) -> Locator:
    return page.locator(f'tr[data-id="{job["id"]}"]')


def requests_of(page: Page) -> list[str]:
    """Return the list that grows by each request of the page to the API."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/v1/" in request.url else None)
    return sent


@pytest.mark.parametrize("path", ["/ui/", "/ui/jobs/{id}", "/ui/spawn", "/ui/providers", "/ui/nodes"])
def test_without_a_token_a_page_asks_for_one_and_shows_no_data(
    page: Page, complaints: Complaints, red: httpx2.Client, path: str
) -> None:
    complaints.expected = [UNAUTHORIZED]
    job = run(red, "quick", "a word of red")
    page.clock.install()
    sent = requests_of(page)
    page.goto(path.format(id=job["id"]))
    expect(form_of(page)).to_contain_text("This server needs a token.")
    expect(page.locator("#connection-text")).to_have_text("Not signed in")
    shown = page.locator("body").inner_text()
    for word in ("a word of red", "run of red", "planner", "stepwise", "frail"):
        assert word not in shown, word
    # What was refused once is not asked for every few seconds; nor does the form come back by itself.
    page.keyboard.press("Escape")
    before = list(sent)
    page.clock.fast_forward("02:00")
    page.clock.fast_forward("02:00")
    expect(form_of(page)).to_be_hidden()
    assert sent == before
    page.get_by_role("button", name="Sign in").click()
    expect(form_of(page)).to_be_visible()


def test_pages_assets_and_metrics_need_no_token_and_get_none(
    page: Page, complaints: Complaints, server: ServerProcess
) -> None:
    complaints.expected = [UNAUTHORIZED]
    statuses: dict[str, int] = {}
    shown: list[str] = []

    def note(response):  # type: ignore[no-untyped-def]
        if "/v1/" not in response.url:
            statuses[response.url] = response.status
            shown.extend(name for name in response.request.headers if name == "authorization")

    page.on("response", note)
    sign_in(page, token_of("read"))
    page.goto("/docs")
    expect(page.locator("#operations section").first).to_be_visible()
    assert len(statuses) > 20
    assert set(statuses.values()) <= {200, 304}
    assert [url for url in statuses if "/ui/assets/" in url]
    with server.client() as stranger:
        for url in [*statuses, "/metrics"]:
            assert stranger.get(url).status_code == 200, url


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("hello", "The token is refused: it is no signed JWT of three parts."),
        (Forge().token()[:-8] + "AAAAAAAA", "The token is refused: its signature is not right."),
        (Forge().token(aud="other"), "The token is refused: it is for another audience (aud)."),
        (Forge().token(exp=1), "Your token has expired. Sign in with a new one."),
    ],
    ids=["no token", "signature", "audience", "expired"],
)
def test_what_is_wrong_with_a_token_is_told(
    page: Page, complaints: Complaints, token: str, words: str
) -> None:
    complaints.expected = [UNAUTHORIZED]
    page.goto("/ui/")
    expect(form_of(page)).to_be_visible()
    give(page, token)
    expect(form_of(page)).to_contain_text(words)
    expect(page.locator("#rows tr")).to_have_count(0)
    # The next one is taken.
    give(page, token_of("read"))
    expect(page.locator("#connection-text")).to_have_text("Live")


@pytest.mark.parametrize("text", ["tokén", "two words", "“quoted”", "•••"])
def test_what_cannot_be_a_token_is_not_sent(page: Page, complaints: Complaints, text: str) -> None:
    complaints.expected = [UNAUTHORIZED]
    page.goto("/ui/")
    expect(form_of(page)).to_be_visible()
    sent = requests_of(page)
    give(page, text)
    expect(form_of(page)).to_contain_text("This cannot be a token")
    assert (page.evaluate(KEPT), sent) == (None, [])
    give(page, f" Bearer {token_of('read')} ")
    expect(page.locator("#connection-text")).to_have_text("Live")


def test_a_token_without_a_role_is_told_what_it_lacks(page: Page, complaints: Complaints) -> None:
    complaints.expected = [UNAUTHORIZED, FORBIDDEN]
    page.goto("/ui/")
    expect(form_of(page)).to_be_visible()
    give(page, Forge().token(roles=["root"]))
    expect(page.locator("#banner")).to_contain_text("the token has no role of this server (roles)")
    page.get_by_role("button", name="Sign out").click()
    expect(form_of(page)).to_contain_text("This server needs a token.")


def test_run_sees_its_tenant_live_and_spawns_and_cancels_there(
    page: Page, complaints: Complaints, red: httpx2.Client, blue: httpx2.Client
) -> None:
    complaints.expected = [UNAUTHORIZED]
    ours, theirs = run(red, "quick", "a word of red"), run(blue, "quick", "a word of blue")
    sign_in(page, token_of("run"))
    expect(row_of(page, ours)).to_be_visible()
    # Both become visible to who may see them at once: blue's first.
    theirs_live, ours_live = spawn(blue, "idle"), spawn(red, "idle")
    expect(row_of(page, ours_live).locator(".state")).to_have_text("pending")
    red.post(ours_live["links"]["cancel"]).raise_for_status()
    expect(row_of(page, ours_live).locator(".state")).to_have_text("cancelled")
    for job in (theirs, theirs_live):
        expect(row_of(page, job)).to_have_count(0)
    with page.expect_request(re.compile(r"/v1/events\?")) as stream:
        page.reload()
    assert stream.value.headers["authorization"] == f"Bearer {page.evaluate(KEPT)}"
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(row_of(page, ours)).to_be_visible()
    page.goto(f"/ui/jobs/{theirs['id']}")
    expect(page.get_by_role("alert")).to_contain_text("job_not_found")
    complaints.expected.append("404 (Not Found)")
    page.goto("/ui/spawn?agent=idle")
    expect(page.get_by_label("Agent", exact=True)).to_be_enabled()
    page.get_by_label("Input", exact=True).fill("to be cancelled")
    page.get_by_role("button", name="Spawn", exact=True).click()
    page.wait_for_url(re.compile(r"/ui/jobs/"))
    expect(page.locator("#facts")).to_contain_text("run of red in red")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#told")).to_have_text("The job is cancelled.")
    expect(page.locator("#facts .state")).to_have_text("cancelled")


def test_run_reads_an_output_while_it_is_written(
    page: Page, complaints: Complaints, red: httpx2.Client, speaker: SpeakingProvider
) -> None:
    complaints.expected = [UNAUTHORIZED]
    job = spawn(red, "stepwise")
    sign_in(page, token_of("run"), f"/ui/jobs/{job['id']}")
    speaker.say("Half of it")
    expect(page.locator("#output")).to_have_text("Half of it")
    speaker.finish()
    expect(page.locator("#facts .state")).to_have_text("completed")


def test_a_queue_cannot_be_paused_without_the_role_admin(page: Page, complaints: Complaints) -> None:
    complaints.expected = [UNAUTHORIZED, FORBIDDEN]
    sign_in(page, token_of("run"), "/ui/nodes")
    expect(page.locator("tr[data-agent=quick]")).to_be_visible()
    page.get_by_role("button", name="Pause agent quick").click()
    expect(page.locator("#told")).to_contain_text("That was not done: this needs the role 'admin'")
    expect(page.locator("tr[data-agent=quick] .state")).to_have_text("active")


def test_read_cannot_spawn_or_cancel(page: Page, complaints: Complaints, red: httpx2.Client) -> None:
    complaints.expected = [UNAUTHORIZED, FORBIDDEN]
    job = spawn(red, "idle")
    sign_in(page, token_of("read"), "/ui/spawn?agent=quick")
    expect(page.get_by_label("Agent", exact=True)).to_be_enabled()
    page.get_by_label("Input", exact=True).fill("a question")
    page.get_by_role("button", name="Spawn", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The job was not spawned: this needs the role 'run'")
    page.goto(f"/ui/jobs/{job['id']}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#told")).to_contain_text("It could not be cancelled: this needs the role 'run'")
    expect(page.locator("#facts .state")).to_have_text("pending")


def test_an_admin_sees_every_tenant_and_pauses_queues(
    page: Page, complaints: Complaints, red: httpx2.Client, blue: httpx2.Client
) -> None:
    complaints.expected = [UNAUTHORIZED]
    jobs = [run(red, "quick"), run(blue, "quick")]
    sign_in(page, token_of("admin", "house"))
    jobs += [spawn(red, "idle"), spawn(blue, "idle")]
    for job in jobs:
        expect(row_of(page, job)).to_be_visible()
    page.goto(f"/ui/jobs/{jobs[1]['id']}")
    expect(page.locator("#facts")).to_contain_text("run of blue in blue")
    page.goto("/ui/nodes")
    row = page.locator("tr[data-agent=quick]")
    page.get_by_role("button", name="Pause agent quick").click()
    expect(row.locator(".state")).to_have_text("paused")
    page.get_by_role("button", name="Resume agent quick").click()
    expect(row.locator(".state")).to_have_text("active")


def test_signing_out_forgets_the_token(
    page: Page, complaints: Complaints, browsed: tuple[BrowserContext, Complaints], red: httpx2.Client
) -> None:
    complaints.expected = [UNAUTHORIZED]
    job = run(red, "quick", "a word of red")
    sign_in(page, token_of("run"))
    expect(row_of(page, job)).to_be_visible()
    # Another tab has a session of its own.
    other = browsed[0].new_page()
    other.goto("/ui/")
    expect(form_of(other)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(form_of(page)).to_contain_text("This server needs a token.")
    expect(page.locator("#rows tr")).to_have_count(0)
    everything = "JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])"
    assert (page.evaluate(KEPT), "ey" in page.evaluate(everything)) == (None, False)
    page.reload()
    expect(form_of(page)).to_be_visible()


@pytest.mark.parametrize("path", ["/ui/", "/ui/jobs/{id}"])
def test_a_token_that_expires_under_a_page_leads_to_the_form(
    page: Page, complaints: Complaints, red: httpx2.Client, path: str
) -> None:
    complaints.expected = [UNAUTHORIZED, "ERR_INCOMPLETE_CHUNKED_ENCODING"]
    job = spawn(red, "idle")
    page.clock.install()
    page.goto(path.format(id=job["id"]))
    expect(form_of(page)).to_be_visible()
    give(page, token_of("run", exp=int(time.time()) + SOON_SECONDS))
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(form_of(page)).to_contain_text("Your token has expired. Sign in with a new one.")
    expect(page.locator("#connection-text")).to_have_text("Not signed in")
    expect(page.locator("#banner")).to_contain_text("Not signed in")
    expect(page.get_by_role("button", name="Try now")).to_be_hidden()
    sent = requests_of(page)
    for _ in range(3):
        page.clock.fast_forward("01:00")
    expect(page.locator("#connection-text")).to_have_text("Not signed in")
    assert sent == []
    give(page, token_of("run"))
    expect(page.locator("#connection-text")).to_have_text("Live")
    red.post(job["links"]["cancel"]).raise_for_status()
    expect(page.locator(".state", has_text="cancelled").first).to_be_visible()


def test_what_was_written_when_the_token_expired_is_not_lost(page: Page, complaints: Complaints) -> None:
    complaints.expected = [UNAUTHORIZED, "ERR_INCOMPLETE_CHUNKED_ENCODING"]
    page.goto("/ui/spawn?agent=idle")
    expect(form_of(page)).to_be_visible()
    give(page, token_of("run", exp=int(time.time()) + SOON_SECONDS))
    expect(page.get_by_label("Agent", exact=True)).to_be_enabled()
    page.get_by_label("Agent", exact=True).select_option("stepwise")
    page.get_by_label("Input", exact=True).fill("a long question")
    expect(form_of(page)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Spawn", exact=True).click()
    # Nothing happens in silence: the form is asked for again by what somebody does.
    expect(form_of(page)).to_contain_text("Your token has expired.")
    # Not by a token that is refused again, either.
    give(page, token_of("run", aud="other"))
    expect(form_of(page)).to_contain_text("another audience")
    give(page, token_of("run"))
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page.get_by_label("Input", exact=True)).to_have_value("a long question")
    expect(page.get_by_label("Agent", exact=True)).to_have_value("stepwise")
