"""A real OpenID Connect issuer: found by discovery, away, back, with another key."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
from tests.support.auth_servers import jwt_settings
from tests.support.envelope import assert_refused
from tests.support.peers import Peer, _free_port, running_oidc_provider
from tests.support.polling import until
from tests.support.server import ServerProcess, running_server
from tests.support.tokens import bearer

AUDIENCE = "airboss-tests"
USERS = (
    {"sub": "ann", "roles": ["admin"], "tenant": "red"},
    {"sub": "bob", "roles": ["read"], "tenant": "blue"},
    {"sub": "eve"},
)
#: The server looks again ten seconds after a look that found nothing.
LOOKS_AGAIN_SECONDS = 30.0


@contextmanager
def issuer_on(folder: Path, port: int) -> Iterator[Peer]:
    folder.mkdir(exist_ok=True)
    users = [option for user in USERS for option in ("--user-claims", json.dumps(user))]
    with running_oidc_provider(folder, port, *users) as peer:
        yield peer


def id_token(issuer: Peer, subject: str, audience: str = AUDIENCE) -> str:
    """Sign in as a browser does, with the authorization code flow."""
    back = "http://127.0.0.1/back"
    query = {"client_id": audience, "redirect_uri": back, "response_type": "code", "scope": "openid"}
    with httpx2.Client(base_url=issuer.url, trust_env=False, verify=False, timeout=20.0) as client:
        agreed = client.post("/oauth2/authorize", params=query, data={"sub": subject})
        (code,) = parse_qs(urlsplit(agreed.headers["location"]).query)["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        taken = client.post("/oauth2/token", data=form, auth=(audience, "any"))
        token: str = taken.raise_for_status().json()["id_token"]
        return token


@contextmanager
def server_of(folder: Path, port: int) -> Iterator[ServerProcess]:
    settings = jwt_settings("RS256", issuer=f"http://127.0.0.1:{port}", audience=AUDIENCE)
    with running_server(folder, settings) as server:
        yield server


def key_check(client: httpx2.Client) -> dict[str, object]:
    check: dict[str, object] = client.get("/health/ready").json()["checks"]["token_keys"]
    return check


def test_who_signs_in_at_the_issuer_gets_in(tmp_path: Path) -> None:
    port = _free_port()
    with (
        issuer_on(tmp_path / "issuer", port) as issuer,
        server_of(tmp_path / "server", port) as server,
        server.client() as client,
    ):
        ann, bob, eve = (bearer(id_token(issuer, subject)) for subject in ("ann", "bob", "eve"))
        job = client.post("/v1/jobs", headers=ann, json={"agent": "quick", "input": "x"}).json()
        assert (job["owner"], job["tenant"]) == ("ann", "red")
        assert client.get("/v1/jobs", headers=bob).json()["data"] == []
        assert_refused(client.post("/v1/jobs", headers=bob, json={}), "forbidden")
        assert_refused(client.get("/v1/jobs", headers=eve), "forbidden")
        elsewhere = bearer(id_token(issuer, "ann", audience="another client"))
        assert_refused(client.get("/v1/jobs", headers=elsewhere), "unauthenticated")
        assert key_check(client) == {"ok": True, "detail": "1 of the issuer's"}
        header, payload, signature = ann["Authorization"].split(".")
        changed = {"Authorization": f"{header}.{payload[:-4]}AAAA.{signature}"}
        assert_refused(client.get("/v1/jobs", headers=changed), "unauthenticated")


def test_an_issuer_that_comes_late_goes_away_and_comes_back_with_another_key(tmp_path: Path) -> None:
    port = _free_port()
    with server_of(tmp_path / "server", port) as server, server.client() as client:

        def status(token: str) -> int:
            return client.get("/v1/jobs", headers=bearer(token)).status_code

        # Nobody listens at the issuer's address yet: nobody gets in, and the node says that it is not ready.
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503
        assert key_check(client)["ok"] is False
        with issuer_on(tmp_path / "issuer", port) as issuer:
            first, second = id_token(issuer, "ann"), id_token(issuer, "bob")
            until(lambda: key_check(client)["ok"] is True, "the keys", LOOKS_AGAIN_SECONDS)
            assert client.get("/health/ready").status_code == 200
            assert status(first) == 200
        # It is away: tokens that were never seen are still verified, with the keys that are kept.
        assert status(second) == 200
        with issuer_on(tmp_path / "issuer", port) as issuer:
            rotated = id_token(issuer, "ann")
            until(lambda: status(rotated) == 200, "the new key", LOOKS_AGAIN_SECONDS)
        # The old key is not the issuer's any more, whatever was known of its tokens.
        answer = client.get("/v1/jobs", headers=bearer(first))
        assert_refused(answer, "unauthenticated")
        assert server.log.count("auth.issuer_keys") == 2
