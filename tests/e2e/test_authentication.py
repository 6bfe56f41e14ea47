"""Who gets in: attacks on a real server, and the forms of the header."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.attack_tokens import attacks
from tests.support.auth_servers import client_of, jwt_server, jwt_settings
from tests.support.command_line import airboss
from tests.support.envelope import assert_refused
from tests.support.raw_http import exchange, head
from tests.support.server import ServerProcess, running_server
from tests.support.tokens import FAMILIES, SECRET, Forge, bearer, public_pem

MIN_ATTACKS = 80
COMMAND_LINE_ERROR = 2


@pytest.fixture(scope="module", params=FAMILIES)
def any_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server of each family in turn."""
    with jwt_server(tmp_path_factory.mktemp(request.param), request.param) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with jwt_server(tmp_path_factory.mktemp("server")) as running:
        yield running


def test_no_attack_opens_anything(any_server: ServerProcess, request: pytest.FixtureRequest) -> None:
    forge = Forge(request.node.callspec.params["any_server"])
    table = [attack for attack in attacks(forge) if attack.fits_a_header]
    with any_server.client() as client:
        assert client.get("/v1/jobs", headers=bearer(forge.token())).status_code == 200
        for attack in table:
            answer = client.get("/v1/jobs", headers=bearer(attack.token))
            assert (attack.name, answer.status_code, answer.json()["error"]["code"]) == (
                attack.name,
                403 if attack.code == "forbidden" else 401,
                attack.code,
            )
            assert (answer.headers.get("www-authenticate") == "Bearer") is (answer.status_code == 401)
    assert len(table) >= MIN_ATTACKS
    assert '"level":"error"' not in any_server.log


def test_what_does_not_fit_a_header_is_a_4xx_too(server: ServerProcess) -> None:
    odd = [attack for attack in attacks(Forge()) if not attack.fits_a_header]
    assert len(odd) >= 8
    for attack in odd:
        raw = head("GET", "/v1/jobs", server.url, "Connection: close").removesuffix(b"\r\n")
        answer = exchange(server.url, raw + b"Authorization: Bearer " + attack.token.encode() + b"\r\n\r\n")
        assert answer.status in (400, 401), attack.name


def forms(token: str) -> dict[str, list[tuple[str, str]]]:
    basic = base64.b64encode(f"user:{token}".encode()).decode()
    one = {
        "nothing": [],
        "empty": [""],
        "no token": ["Bearer"],
        "no token behind a space": ["Bearer "],
        "no scheme": [token],
        "a tab": [f"Bearer\t{token}"],
        "a colon": [f"Bearer: {token}"],
        "a comma": [f"Bearer,{token}"],
        "an equals sign": [f"Bearer={token}"],
        "quotes": [f'Bearer "{token}"'],
        "a parameter": [f"Bearer token={token}"],
        "something behind": [f"Bearer {token} x"],
        "a comma behind": [f"Bearer {token},"],
        "two in one": [f"Bearer {token}, Bearer {token}"],
        "scheme twice": [f"Bearer Bearer {token}"],
        "another scheme": [f"Token {token}"],
        "DPoP": [f"DPoP {token}"],
        "Basic": [f"Basic {basic}"],
        "Basic with a token": [f"Basic {token}"],
        "Digest": [f'Digest username="{token}"'],
        "two headers, both good": [f"Bearer {token}", f"Bearer {token}"],
        "two headers, the first good": [f"Bearer {token}", "Bearer x"],
        "two headers, the last good": ["Bearer x", f"Bearer {token}"],
        "two headers, one Basic": [f"Basic {basic}", f"Bearer {token}"],
        "two headers, one empty": ["", f"Bearer {token}"],
    }
    told = {name: [("Authorization", value) for value in values] for name, values in one.items()}
    for name in ("X-Authorization", "Proxy-Authorization", "X-Forwarded-User", "X-Access-Token", "Cookie"):
        told[f"in {name}"] = [(name, f"Bearer {token}")]
    told["in a cookie"] = [("Cookie", f"access_token={token}; token={token}; Authorization=Bearer {token}")]
    return told


def test_only_one_form_of_the_header_is_taken(server: ServerProcess) -> None:
    for name, headers in forms(Forge().token()).items():
        lines = [f"{header}: {value}" for header, value in headers]
        answer = exchange(server.url, head("GET", "/v1/jobs", server.url, *lines, "Connection: close"))
        assert (name, answer.status, answer.headers["www-authenticate"]) == (name, 401, "Bearer")
        assert answer.json["error"]["code"] == "unauthenticated", name


@pytest.mark.parametrize(
    "form", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer   {}", "Bearer {} ", " Bearer {}"]
)
def test_the_scheme_is_read_as_http_has_it(server: ServerProcess, form: str) -> None:
    # RFC 9110, 11.4: the scheme in any case, one space or more; white space around a value is not part of it.
    answer = exchange(
        server.url,
        head(
            "GET",
            "/v1/jobs",
            server.url,
            f"Authorization: {form.format(Forge().token())}",
            "Connection: close",
        ),
    )
    assert answer.status == 200


@pytest.mark.parametrize("name", ["access_token", "token", "jwt", "authorization", "ticket"])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/events"])
def test_a_token_in_the_address_is_not_taken(server: ServerProcess, name: str, path: str) -> None:
    with server.client() as client:
        assert_refused(client.get(path, params={name: Forge().token()}), "unauthenticated")


def test_a_token_in_the_body_is_not_taken(server: ServerProcess) -> None:
    with server.client() as client:
        token = Forge().token()
        body = {"agent": "quick", "input": "x", "access_token": token}
        assert_refused(client.post("/v1/jobs", json=body), "unauthenticated")
        assert_refused(client.post("/v1/jobs", data={"access_token": token}), "unauthenticated")


def test_permission_is_checked_before_parameters_and_body(server: ServerProcess) -> None:
    with client_of(server, Forge().token(roles=["read"])) as reader, server.client() as stranger:
        for client, code in ((stranger, "unauthenticated"), (reader, "forbidden")):
            assert_refused(client.post("/v1/jobs", content=b"{no json"), code)
            assert_refused(client.post("/v1/jobs", content=b"x" * 2_000_000), code)
            assert_refused(client.post("/v1/jobs", params={"unknown": "1"}, json={}), code)


def test_off_says_so_in_the_log(shared_server: ServerProcess) -> None:
    assert '"event":"auth.off","level":"warning"' in shared_server.log
    assert (
        '"meaning":"only this machine can reach the port; whoever does, also through a proxy here, is an admin"'
        in shared_server.log
    )


def test_with_tokens_no_warning_and_no_secret_is_in_the_log(server: ServerProcess) -> None:
    token = Forge().token(sub="someone who is not logged")
    with client_of(server, token) as client:
        client.get("/v1/jobs")
        client.get("/v1/jobs", headers=bearer(token[:-5]))
    assert "auth.off" not in server.log
    assert SECRET not in server.log
    assert token.split(".")[2][:20] not in server.log


def test_readiness_tells_of_the_keys(server: ServerProcess) -> None:
    with server.client() as client:
        assert client.get("/health/ready").json()["checks"]["token_keys"] == {
            "ok": True,
            "detail": "the key of the settings",
        }


@pytest.mark.parametrize(
    ("command", "jwt", "environ", "told"),
    [
        ("serve", {}, {}, "the environment variable AIRBOSS_JWT_SECRET is not set"),
        ("check", {}, {"AIRBOSS_JWT_SECRET": "s" * 31}, "32 bytes or more, this one has 31"),
        ("serve", {"algorithms": ["RS256"], "public_key_path": "no.pem"}, {}, "no.pem cannot be read"),
        (
            "serve",
            {"algorithms": ["RS256"], "public_key_path": "k.pem"},
            {},
            "RS256 needs another kind of key",
        ),
        ("check", {"algorithms": ["RS256"]}, {}, "OpenID Connect discovery"),
    ],
    ids=range(5),
)
def test_a_start_without_a_good_key_is_refused(
    folder: Path, command: str, jwt: dict[str, object], environ: dict[str, str], told: str
) -> None:
    folder.mkdir()
    (folder / "k.pem").write_bytes(public_pem("ES256"))
    (folder / "airboss.yaml").write_text(yaml.safe_dump({"auth": {"mode": "jwt", "jwt": jwt}}))
    arguments = {"serve": ["serve", "--port", "0"], "check": ["config", "check"]}[command]
    done = airboss(folder, *arguments, environ=environ)
    assert (done.returncode, done.stdout) == (COMMAND_LINE_ERROR, ""), done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(value in done.stderr for value in environ.values())
    assert not (folder / ".airboss").exists()


def test_off_beyond_loopback_is_refused(folder: Path) -> None:
    folder.mkdir()
    done = airboss(folder, "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == COMMAND_LINE_ERROR
    assert "set auth.mode: jwt or server.host: 127.0.0.1" in done.stderr


def test_with_tokens_hosts_are_checked_only_where_they_are_named(folder: Path, server: ServerProcess) -> None:
    strange = {"Host": "evil.example", "Origin": "https://evil.example"}
    with server.client() as client:
        assert client.get("/health/live", headers=strange).status_code == 200
        assert_refused(client.get("/v1/jobs", headers=strange), "unauthenticated")
    settings = jwt_settings() | {"server": {"allowed_hosts": ["airboss.example"]}}
    with (
        running_server(folder, settings, {"AIRBOSS_JWT_SECRET": SECRET}) as guarded,
        guarded.client() as client,
    ):
        for path in ("/health/live", "/v1/jobs"):
            assert_refused(client.get(path, headers=strange), "host_not_allowed")
        named = {"Host": "airboss.example", **bearer(Forge().token())}
        assert client.get("/v1/jobs", headers=named).status_code == 200
