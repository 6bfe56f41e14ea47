"""`airboss token issue`, and what its tokens open."""

import json
from pathlib import Path

import pytest
import yaml
from tests.support.auth_servers import jwt_server
from tests.support.command_line import airboss
from tests.support.tokens import FAMILIES, SECRET, private_pem, public_pem

USAGE = 2
REFUSED = 7


def write_settings(folder: Path, **jwt: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "airboss.yaml").write_text(yaml.safe_dump({"auth": {"mode": "jwt", "jwt": jwt}}))


@pytest.mark.parametrize("algorithm", FAMILIES)
def test_what_it_signs_opens_the_server_that_the_settings_describe(folder: Path, algorithm: str) -> None:
    issuing = folder / "issuing"
    with jwt_server(folder, algorithm) as server:
        issuing.mkdir()
        if algorithm == "HS256":
            write_settings(issuing)
        else:
            (issuing / "private.pem").write_bytes(private_pem(algorithm))
            paths = {"signing_key_path": "private.pem", "public_key_path": "../public.pem"}
            write_settings(issuing, algorithms=[algorithm], **paths)
        environ = {"AIRBOSS_JWT_SECRET": SECRET}
        options = ("--subject", "ann", "--role", "run", "--tenant", "red")
        issued = airboss(issuing, "token", "issue", *options, environ=environ)
        assert (issued.returncode, issued.stderr) == (0, "")
        (token,) = issued.stdout.splitlines()
        client = {"AIRBOSS_URL": server.url, "AIRBOSS_TOKEN": token}
        spawned = airboss(folder, "jobs", "spawn", "quick", "hello", "--wait", "--json", environ=client)
        assert spawned.returncode == 0, spawned.stderr
        listed = airboss(folder, "jobs", "list", "--json", environ=client)
        (job,) = [json.loads(line) for line in listed.stdout.splitlines()]
        assert (job["owner"], job["tenant"], job["state"]) == ("ann", "red", "completed")
        if algorithm == "HS256":
            without = airboss(folder, "jobs", "list", environ={"AIRBOSS_URL": server.url})
            assert (without.returncode, without.stdout) == (REFUSED, "")
            assert "unauthenticated" in without.stderr
            wrong = airboss(
                folder, "jobs", "list", "--token", token[:-6], environ={"AIRBOSS_URL": server.url}
            )
            assert wrong.returncode == REFUSED
            assert token[:-6] not in wrong.stderr


def test_a_token_that_ends_under_a_watch_names_the_job_that_goes_on(folder: Path) -> None:
    issuing = folder / "issuing"
    with jwt_server(folder, "HS256") as server:
        write_settings(issuing)
        options = ("--subject", "ann", "--role", "run", "--ttl-seconds", "3")
        issued = airboss(issuing, "token", "issue", *options, environ={"AIRBOSS_JWT_SECRET": SECRET})
        client = {"AIRBOSS_URL": server.url, "AIRBOSS_TOKEN": issued.stdout.strip()}
        later = ("--run-at", "2099-01-01T00:00:00Z")
        done = airboss(folder, "jobs", "spawn", "quick", "x", *later, "--watch", "--json", environ=client)
    assert done.returncode == REFUSED, done.stderr
    job_id = json.loads(done.stdout.splitlines()[0])["data"]["job_id"]
    why, what_next = done.stderr.splitlines()[-2:]
    assert "token_expired" in why
    assert what_next.endswith(
        f"get a new token and give it with --token or AIRBOSS_TOKEN; then 'airboss jobs watch {job_id}'"
    )


@pytest.mark.parametrize(
    ("jwt", "options", "environ", "told"),
    [
        ({}, {}, {}, "the environment variable AIRBOSS_JWT_SECRET is not set"),
        ({}, {}, {"AIRBOSS_JWT_SECRET": "short"}, "32 bytes or more"),
        ({"algorithms": ["ES256"], "public_key_path": "other.pem"}, {}, {}, "auth.jwt.signing_key_path"),
        (
            {"algorithms": ["ES256"], "public_key_path": "other.pem", "signing_key_path": "private.pem"},
            {},
            {},
            "not the other half of auth.jwt.public_key_path",
        ),
        ({}, {"--tenant": "../red"}, {"AIRBOSS_JWT_SECRET": SECRET}, "the tenant must be"),
        ({}, {"--subject": " "}, {"AIRBOSS_JWT_SECRET": SECRET}, "the subject must be"),
        ({}, {"--role": "boss"}, {"AIRBOSS_JWT_SECRET": SECRET}, "is not one of"),
        ({}, {"--ttl-seconds": "0"}, {"AIRBOSS_JWT_SECRET": SECRET}, "--ttl-seconds"),
    ],
    ids=range(8),
)
def test_what_it_cannot_sign_is_told(
    folder: Path, jwt: dict[str, object], options: dict[str, str], environ: dict[str, str], told: str
) -> None:
    write_settings(folder, **jwt)
    (folder / "private.pem").write_bytes(private_pem("ES256"))
    (folder / "other.pem").write_bytes(public_pem("ES256", 1))
    given = {"--subject": "ann", "--role": "read", **options}
    done = airboss(
        folder, "token", "issue", *(part for pair in given.items() for part in pair), environ=environ
    )
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "Value error" not in done.stderr
    assert SECRET not in done.stderr
