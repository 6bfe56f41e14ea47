"""Everything that is wrong with the settings is told in one round, each with its place and what to do."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.support.certificates import issue
from tests.support.command_line import airboss

CHECK, SERVE = ("config", "check"), ("serve", "--port", "0")

#: One mistake of every kind: types, unknown names, rules between settings, what is not built, tools, keys, files.
BROKEN = """\
server:
  receive_timeout_seconds: soon
  tls_cert_path: missing.pem
limts:
  queue_capacity: 3
providers:
  local:
    kind: ollma
agents:
  reader:
    provider: local
    model: x
    tools: [files.lst, web.fetch]
    handoffs:
      - reader
      - reviewer
  writer:
    provider: opnai
    tools:
      - files.write
      - mcp.call
      - shell
tools:
  web:
    allowed_domains:
      - ok.example
      - https://x.example/y
telemetry:
  otlp_endpoint: http://127.0.0.1:4318
events: {relay_url: redis://127.0.0.1}
auth:
  mode: jwt
mcp:
  servers:
    git: {command: a, arg: []}
"""
TOLD = [
    "airboss.yaml:2: server.receive_timeout_seconds: must be a number of seconds greater than 0, got 'soon'",
    "airboss.yaml:3: server.tls_cert_path: {folder}/missing.pem cannot be read: No such file or directory",
    "airboss.yaml:3: server.tls_key_path: is missing: TLS needs it beside server.tls_cert_path",
    "airboss.yaml:4: limts is not a setting; did you mean limits?",
    "airboss.yaml:8: providers.local.kind: must be one of openai, openai_compatible, anthropic, ollama, offline, got 'ollma'; did you mean 'ollama'?",
    "airboss.yaml:13: agents.reader.tools[0]: there is no tool 'files.lst'; did you mean 'files.list'?",
    "airboss.yaml:16: agents.reader.handoffs[1]: 'reviewer' is not an agent; there are: reader, writer",
    "airboss.yaml:18: agents.writer.provider: 'opnai' is not a provider; did you mean 'openai'?",
    "airboss.yaml:20: agents.writer.tools[0]: files.write changes files: set tools.files.writable: true, or leave the tool out",
    "airboss.yaml:21: agents.writer.tools[1]: mcp.call calls tools of the agent's MCP servers, and it has none; name some in agents.writer.mcp_servers, or leave the tool out",
    "airboss.yaml:22: agents.writer.tools[2]: there is no tool 'shell'; there are: files.list, files.read, files.write, web.fetch, mcp.call",
    "airboss.yaml:27: tools.web.allowed_domains[1]: must be a host, *.host, * or an address, without scheme, port and path, got 'https://x.example/y'",
    "airboss.yaml:29: telemetry.otlp_endpoint: this version of Airboss has no traces yet: leave it out",
    "airboss.yaml:30: events.relay_url: this version of Airboss has no relay of events yet: leave it out",
    "airboss.yaml:32: auth.jwt.secret: secret://env/AIRBOSS_JWT_SECRET: the environment variable AIRBOSS_JWT_SECRET is not set; set it and start again",
    "airboss.yaml:35: mcp.servers.git.arg: is not known here; did you mean 'args'?",
    "AIRBOSS_SERVR__PORT is not a setting; did you mean AIRBOSS_SERVER__PORT?",
]


def told(
    folder: Path, command: Sequence[str], text: str, environ: Mapping[str, str] | None = None
) -> list[str]:
    """The lines of a refusal, without what every line begins with."""
    (folder / "airboss.yaml").write_text(text)
    done = airboss(folder, *command, environ=environ)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert not (folder / ".airboss").exists()
    return [line.removeprefix("airboss: ") for line in done.stderr.splitlines()]


@pytest.mark.parametrize("command", [CHECK, SERVE], ids=["check", "serve"])
def test_everything_is_told_in_one_round(tmp_path: Path, command: Sequence[str]) -> None:
    lines = told(tmp_path, command, BROKEN, {"AIRBOSS_SERVR__PORT": "1"})
    assert lines == [line.format(folder=tmp_path) for line in TOLD]


def test_what_comes_of_another_mistake_is_not_told(tmp_path: Path) -> None:
    """Only the first of each pair is a mistake of its own."""
    text = """\
auth: {mode: jwt, jwt: {algorithms: [RS265], public_key_path: missing.pem}}
storage: {url: "mysql://x"}
tools: {files: {root: ., writable: true}}
agents:
  a: {model: x, tools: file, mcp_servers: [ghost]}
  b: {provider: offline, model: planner, tools: [mcp.call], mcp_servers: [ghost]}
"""
    assert told(tmp_path, CHECK, text) == [
        "airboss.yaml:1: auth.jwt.algorithms[0]: must be one of HS256, RS256, ES256, EdDSA, got 'RS265'; did you mean 'RS256'?",
        (
            "airboss.yaml:2: storage.url: must be sqlite:///FILE, memory:// or "
            "postgresql://USER:PASSWORD@HOST/DATABASE or null"
        ),
        "airboss.yaml:5: agents.a.mcp_servers[0]: 'ghost' is not an MCP server; there are: none",
        "airboss.yaml:5: agents.a.tools: must be a list, each item text that is not empty, got 'file'",
        "airboss.yaml:6: agents.b.mcp_servers[0]: 'ghost' is not an MCP server; there are: none",
    ]


def test_both_files_of_tls_are_looked_at(tmp_path: Path) -> None:
    files = issue(tmp_path / "tls")
    files.certificate.write_text("no certificate")
    files.key.write_text("no key")
    text = f"server:\n  tls_cert_path: {files.certificate}\n  tls_key_path: {files.key}\n"
    assert told(tmp_path, CHECK, text) == [
        f"airboss.yaml:2: server.tls_cert_path: {files.certificate} holds no certificate in PEM form",
        f"airboss.yaml:3: server.tls_key_path: {files.key} holds no private key in PEM form",
    ]


def test_a_root_around_the_servers_data_names_its_line(tmp_path: Path) -> None:
    text = "limits: {queue_capacity: 0}\ntools:\n  files:\n    root: .\n    writable: true\n"
    assert told(tmp_path, CHECK, text) == [
        "airboss.yaml:1: limits.queue_capacity: must be a whole number of 1 or more, got 0",
        (
            "airboss.yaml:4: tools.files.root: agents may write there (tools.files.writable), and the server's own data "
            f"is in it or around it: {tmp_path}/.airboss; set tools.files.root to a folder apart"
        ),
    ]


def test_a_database_that_is_not_built_is_told_with_its_replica(tmp_path: Path) -> None:
    text = "storage:\n  url: postgresql://u:p@h/d\n  replica_url: postgresql://u:p@r/d\n"
    assert told(tmp_path, CHECK, text) == [
        (
            "airboss.yaml:2: storage.url: this version of Airboss has no PostgreSQL yet: leave it out, or use "
            "sqlite:///FILE or memory://"
        ),
        "airboss.yaml:3: storage.replica_url: this version of Airboss has no PostgreSQL yet: leave it out",
    ]


def test_a_vault_that_is_not_set_up_is_not_asked(tmp_path: Path) -> None:
    text = """\
secrets: {vault: {address: "http://127.0.0.1:9"}}
auth: {mode: jwt, jwt: {secret: "secret://vault/kv/airboss#jwt"}}
agents: {a: {tools: [shell]}}
"""
    lines = told(tmp_path, CHECK, text)
    assert [line.partition(": ")[2].partition(": ")[0] for line in lines] == [
        "secrets.vault.address",
        "agents.a.tools[0]",
    ]
