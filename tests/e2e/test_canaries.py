"""Secrets stay secret: canaries in all that a real server is given, and a search of all that it shows."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from tests.support.canaries import Canaries, EchoServer, Search, echo_server, found
from tests.support.command_line import airboss
from tests.support.event_reader import event_stream
from tests.support.fake_provider import PROVIDER_TEXT, FakeProvider, fake_provider
from tests.support.server import ServerProcess, running_server
from tests.support.vault_stand_in import VaultStandIn, vault_stand_in

#: Paths below the echo server: how the provider's error is told.
_ECHOES = ("400", "401", "403", "404", "429", "500", "html", "stream")
_LEAKY_SERVER = "import os, sys; print(os.environ, file=sys.stderr); print(os.environ); sys.exit(3)"


@dataclass
class Scene:
    """One server under all canaries."""

    canaries: Canaries
    search: Search
    server: ServerProcess
    echo: EchoServer
    token: str
    environ: dict[str, str]
    config: Path

    def client(self, token: str | None = None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx2.Client(
            base_url=self.server.url, timeout=30.0, trust_env=False, verify=False, headers=headers
        )


def sign(key: str, role: str, **claims: Any) -> str:
    now = int(time.time())
    body = {
        "exp": now + 600,
        "iat": now,
        "iss": "airboss",
        "aud": "airboss",
        "sub": f"s-{role}",
        "roles": [role],
    }
    return jwt.encode(body | claims, key, algorithm="HS256")


def settings(echo: EchoServer, provider: FakeProvider, vault: VaultStandIn) -> dict[str, Any]:
    vault_key = "secret://vault/kv/app#key"
    quick = {"max_attempts": 1}
    providers: dict[str, Any] = {
        f"echo-{kind}": {
            "kind": "openai_compatible",
            "base_url": f"{echo.url}/{kind}/v1",
            "api_key": vault_key,
        }
        for kind in _ECHOES
    }
    providers |= {
        "fake": {
            "kind": "openai_compatible",
            "base_url": provider.base_url,
            "api_key": "secret://file/key.txt",
        },
        "claude": {"kind": "anthropic", "base_url": f"{echo.url}/401", "api_key": "secret://env/CLAUDE_KEY"},
        "missing": {
            "kind": "openai_compatible",
            "base_url": echo.url,
            "api_key": "secret://vault/kv/app#gone",
        },
        "bad": {"kind": "openai_compatible", "base_url": echo.url, "api_key": "secret://env/BAD_KEY"},
    }
    for each in providers.values():
        each["retry"] = quick
    agents: dict[str, Any] = {
        name: {"provider": name, "model": "m", "tools": []} for name in providers if name != "fake"
    }
    for model in ("text", "tool", "status-401", "status-500", "html", "error-200", "garbage"):
        agents[f"fake-{model}"] = {
            "provider": "fake",
            "model": model,
            "tools": ["files.list"],
            "max_turns": 2,
        }
    agents["planner"] = {"provider": "offline", "model": "planner", "tools": ["files.list", "files.read"]}
    agents["with-mcp"] = {
        "provider": "fake",
        "model": "text",
        "tools": [],
        "mcp_servers": ["leaky", "outside"],
    }
    return {
        "auth": {"mode": "jwt", "jwt": {"secret": "secret://vault/kv/app#jwt"}},
        "secrets": {
            "vault": {
                "address": vault.address,
                "role_id": "secret://env/VAULT_ROLE",
                "secret_id": "secret://file/secret-id.txt",
            }
        },
        "providers": providers,
        "agents": agents,
        "mcp": {
            "servers": {
                "leaky": {
                    "command": sys.executable,
                    "args": ["-c", _LEAKY_SERVER],
                    "env": {"TOKEN": "secret://env/MCP_ENV"},
                },
                "outside": {
                    "endpoint_url": f"{echo.url}/401/mcp",
                    "headers": {"X-Token": "secret://env/MCP_HEADER"},
                },
            }
        },
        "telemetry": {"log_level": "debug", "log_format": "json"},
        "events": {"heartbeat_seconds": 0.5},
    }


@pytest.fixture
def scene(folder: Path) -> Iterator[Scene]:
    canaries = Canaries()
    canaries.add("providers-own-words", PROVIDER_TEXT)
    environ = {
        "VAULT_ROLE": canaries.plant("vault-role"),
        "CLAUDE_KEY": canaries.plant("claude-key"),
        "BAD_KEY": f"{canaries.plant('bad-key')}\nX-Injected: 1",
        "MCP_ENV": canaries.plant("mcp-env"),
        "MCP_HEADER": canaries.plant("mcp-header"),
        "AWS_SECRET_ACCESS_KEY": canaries.plant("environment"),
        "OPENAI_API_KEY": canaries.plant("openai-key"),
        "OPENAI_ORG_ID": canaries.plant("openai-organisation"),
        "VAULT_TOKEN": canaries.plant("someone-elses-vault-token"),
        "PYTHONFAULTHANDLER": "1",
    }
    folder.mkdir()
    (folder / "key.txt").write_text(canaries.plant("file-key") + "\n")
    (folder / "secret-id.txt").write_text(canaries.plant("vault-secret-id"))
    (folder / "workspace").mkdir()
    (folder / "workspace" / "notes.txt").write_text(
        f"cancel closes: {canaries.plant_job_data('tool-output')}"
    )
    key = canaries.plant("jwt-secret") + "-and-more-of-it"
    with echo_server() as echo, fake_provider() as provider, vault_stand_in(time.monotonic) as vault:
        vault.login_ids = (environ["VAULT_ROLE"], canaries.plant("vault-secret-id"))
        vault.secrets["kv/app"] = {
            "key": canaries.plant("vault-key"),
            "jwt": key,
            "unused": canaries.plant("vault-unused"),
        }
        vault.token_seconds = 600.0
        with running_server(folder, settings(echo, provider, vault), environ) as server:
            canaries.add("vault-token", next(iter(vault.tokens)))
            token = canaries.add("admin-token", sign(key, "admin"))
            canaries.add("admin-signature", token.rpartition(".")[2])
            yield Scene(canaries, Search(canaries), server, echo, token, environ, folder / "airboss.yaml")


@pytest.mark.timeout(300)
def test_no_secret_is_found_anywhere(scene: Scene, record_property: Any) -> None:
    search, canaries = scene.search, scene.canaries
    with scene.client() as client:
        jobs = run_jobs(scene, client)
        ask_every_get(scene, client, jobs)
        ask_badly(scene, client)
        read_events(scene, client)
    ask_by_command_line(scene)
    command_line = Path(f"/proc/{scene.server.process.pid}/cmdline").read_bytes()
    search.look("process title", command_line)
    # Whatever dumps the threads of a process: the fault handler writes to its standard error.
    scene.server.process.send_signal(signal.SIGABRT)
    stdout = scene.server.process.communicate(timeout=30)[0]
    search.look("standard output", stdout)
    log = scene.server.log
    assert "Fatal Python error: Aborted" in log
    search.look("log", log)
    assert log.count("***") > 0, "nothing was masked, so nothing was there to be masked"
    for file in (scene.server.folder / ".airboss").rglob("*"):
        if file.is_file():
            search.look(f"data folder: {file.name}", file.read_bytes(), job_data=True)
    record_property("canaries", len(canaries.secret) + len(canaries.job_data))
    record_property("places", len(search.places))
    sys.stdout.write(
        f"\n{len(canaries.secret)} secrets and {len(canaries.job_data)} pieces of job data,"
        f" {len(search.places)} places, {sum(search.places.values())} bytes: {len(search.leaks)} found\n"
    )
    assert search.leaks == []
    assert len(canaries.secret) >= 15
    assert len(search.places) >= 60
    # What is looked for is there: at the provider, and with the job itself.
    sent = json.dumps(scene.echo.seen)
    assert set(found(canaries.secret, sent.encode())) >= {"vault-key", "claude-key", "mcp-header"}
    database = (scene.server.folder / ".airboss" / "airboss.db").read_bytes()
    wal = (scene.server.folder / ".airboss" / "airboss.db-wal").read_bytes()
    assert set(found(canaries.job_data, database + wal)) == set(canaries.job_data)


def run_jobs(scene: Scene, client: httpx2.Client) -> list[str]:
    """Run a job of every agent to its end, well or not; return their ids."""
    data = {
        "input": scene.canaries.plant_job_data("input"),
        "metadata": {"a": scene.canaries.plant_job_data("metadata")},
    }
    names = [agent["name"] for agent in client.get("/v1/agents").json()["data"]]
    made = []
    for name in names:
        answer = client.post("/v1/jobs", json={"agent": name, **data})
        assert answer.status_code == 202, answer.text
        made.append(answer.json()["id"])
    ended = [client.get(f"/v1/jobs/{job_id}/wait", params={"timeout_seconds": 50}).json() for job_id in made]
    states = {job["agent"]: job["state"] for job in ended}
    assert states["planner"] == states["fake-text"] == "completed", states
    failed = [job for job in ended if job["state"] == "failed"]
    assert len(failed) >= len(_ECHOES) + 3, states
    for job in failed:
        scene.search.look(f"error of {job['agent']}", json.dumps(job["error"]))
    for job_id in made[:2]:
        client.post(f"/v1/jobs/{job_id}/retry")
    return made


def ask_every_get(scene: Scene, client: httpx2.Client, jobs: list[str]) -> None:
    """Ask every GET route of the document: as admin, as someone who may not, as nobody."""
    key = scene.canaries.secret["jwt-secret"] + "-and-more-of-it"
    reader = scene.canaries.add("reader-token", sign(key, "read", tenant="other"))
    names = {"name": "echo-401", "agent": "planner", "node_id": "node-0", "job_id": jobs[0]}
    paths = client.get("/openapi.json").json()["paths"]
    gets = [path for path, methods in paths.items() if "get" in methods]
    assert len(gets) >= 20
    with scene.client(reader) as other, httpx2.Client(base_url=client.base_url, trust_env=False) as nobody:
        for path in gets:
            ids = jobs if path == "/v1/jobs/{job_id}" else jobs[:1]
            for job_id in ids:
                url = path.format_map(names | {"job_id": job_id})
                if "mcp/servers" in path:
                    url = path.replace("{name}", "leaky")
                holds_jobs = path.startswith("/v1/jobs")
                for caller, who in ((client, "admin"), (other, "reader"), (nobody, "nobody")):
                    look_at(scene.search, caller, f"GET {path} as {who}", url, job_data=holds_jobs)


def look_at(search: Search, caller: httpx2.Client, place: str, url: str, *, job_data: bool) -> None:
    """Search an answer with its headers; of a stream what comes within its first moments is enough here."""
    with caller.stream("GET", url) as answer:
        head = f"{answer.status_code} {dict(answer.headers)}"
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            text = next(answer.iter_text(), "")
        else:
            text = answer.read().decode(errors="replace")
    # The whole stream of events holds what the jobs said, and is searched for itself.
    search.look(place, head + text, job_data=job_data or "text/event-stream" in head)


def ask_badly(scene: Scene, client: httpx2.Client) -> None:
    """Send secrets where they do not belong; no answer repeats them, and no log line."""
    plant, look = scene.canaries.plant, scene.search.look
    url = str(client.base_url)
    bad = plant("bad-bearer")
    with httpx2.Client(base_url=url, trust_env=False) as nobody:
        for number, header in enumerate([f"Bearer {bad}", f"Basic {bad}", bad, f"Bearer {bad}.{bad}.{bad}"]):
            answer = nobody.get("/v1/jobs", headers={"Authorization": header})
            assert answer.status_code == 401
            look(f"401 of header {number}", answer.text + str(dict(answer.headers)))
    sends = {
        "query": client.get("/v1/jobs", params={"access_token": plant("query")}),
        "ticket": client.get("/v1/events", params={"ticket": plant("ticket")}),
        "cookie": client.get("/v1/jobs/none", headers={"Cookie": f"session={plant('cookie')}"}),
        "api key": client.get("/v1/jobs/none", headers={"X-Api-Key": plant("x-api-key")}),
        "no json": client.post(
            "/v1/jobs",
            content=b'{"agent": ' + plant("no-json").encode(),
            headers={"Content-Type": "application/json"},
        ),
        "wrong types": client.post(
            "/v1/jobs", json={"agent": "planner", "input": "x", "priority": plant("priority")}
        ),
        "literal header": client.post(
            "/v1/mcp/servers",
            json={
                "name": "literal",
                "json_spec": {
                    "endpoint_url": "http://127.0.0.1:9/mcp",
                    "headers": {"Authorization": f"Bearer {plant('mcp-literal')}"},
                },
            },
        ),
        "userinfo": client.post(
            "/v1/mcp/servers",
            json={
                "name": "userinfo",
                "json_spec": {"endpoint_url": f"http://user:{plant('mcp-userinfo')}@127.0.0.1:9/mcp"},
            },
        ),
    }
    for what, answer in sends.items():
        assert 400 <= answer.status_code < 500, (what, answer.text)
        look(f"refusal: {what}", answer.text + str(dict(answer.headers)))
    for name in ("leaky", "outside"):
        answer = client.post(f"/v1/mcp/servers/{name}/start")
        look(f"start of {name}", answer.text)
        look(f"server {name}", client.get(f"/v1/mcp/servers/{name}").text)


def read_events(scene: Scene, client: httpx2.Client) -> None:
    """Read the whole stream: all events that were ever written."""
    last = client.post("/v1/jobs", json={"agent": "fake-text", "input": "last"}).json()["id"]
    with event_stream(scene.server, after=0, headers={"Authorization": f"Bearer {scene.token}"}) as reader:
        reader.until(lambda frame: frame.event == "job.completed" and frame.data["subject"] == last)
        kinds = {frame.event for frame in reader.frames}
        assert kinds >= {"job.failed", "job.completed", "tool.answered", "model.called"}
        scene.search.look("all events", reader.raw, job_data=True)
        unrelated = [
            frame.data for frame in reader.frames if not frame.event.startswith(("job.", "tool.", "output."))
        ]
        scene.search.look("events about no job", json.dumps(unrelated))


def ask_by_command_line(scene: Scene) -> None:
    """Run the commands that show settings and state; and let settings be wrong that hold a secret."""
    environ = scene.environ | {"AIRBOSS_URL": scene.server.url, "AIRBOSS_TOKEN": scene.token}
    port = scene.server.url.rpartition(":")[2]
    asked: list[tuple[list[str], dict[str, str]]] = [
        (["config", "show"], {}),
        (["config", "show", "--json"], {}),
        (["config", "check"], {}),
        (["agents", "--json"], {}),
        (["providers"], {}),
        (["serve", "--port", port], {}),
        *((["config", "check"], {name: value}) for name, value in wrong_settings(scene.canaries).items()),
    ]

    def look(command: tuple[list[str], dict[str, str]]) -> None:
        arguments, wrong = command
        done = airboss(scene.server.folder, *arguments, environ=environ | wrong)
        assert done.stdout + done.stderr
        place = f"airboss {' '.join(arguments)} {' '.join(wrong)}"
        scene.search.look(place, done.stdout + done.stderr)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(look, asked))


def wrong_settings(canaries: Canaries) -> dict[str, str]:
    """Return variables that the settings refuse, or this version does not serve, each with a secret in it."""
    return {
        "AIRBOSS_STORAGE__URL": f"postgresql://u:{canaries.plant('database-password')}@db/x",
        "AIRBOSS_LIMITS__STORE_URL": f"redis://u:{canaries.plant('redis-password')}@cache",
        "AIRBOSS_PROVIDERS__BAD__API_KEY": canaries.plant("literal-key"),
        "AIRBOSS_PROVIDERS__BAD__BASE_URL": f"https://u:{canaries.plant('url-password')}@h",
        "AIRBOSS_UNKNOWN": canaries.plant("unknown-variable"),
    }
