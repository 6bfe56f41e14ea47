"""`airboss config` and `airboss demo`, as a user calls them."""

import json
import re
from pathlib import Path

import httpx2
import jsonschema_rs
import pytest
import yaml
from tests.support.command_line import airboss


def test_config_check(tmp_path: Path) -> None:
    assert airboss(tmp_path, "config", "check").stdout.startswith("ok: ")
    (tmp_path / "airboss.yaml").write_text("limits:\n  queue_capacity: none\n  queue_capcity: 1\n")
    done = airboss(tmp_path, "config", "check")
    assert done.returncode == 2
    assert "airboss.yaml:2" in done.stderr
    assert "airboss.yaml:3" in done.stderr
    assert "queue_capacity" in done.stderr


def test_config_check_refuses_what_serve_refuses(tmp_path: Path) -> None:
    (tmp_path / "airboss.yaml").write_text(
        "agents:\n  a: {provider: offline, model: planner, tools: [no.such]}\n"
    )
    assert airboss(tmp_path, "config", "check").returncode == 2
    (tmp_path / "airboss.yaml").write_text("telemetry: {otlp_endpoint: 'http://127.0.0.1:4318'}\n")
    assert airboss(tmp_path, "config", "check").returncode == 2


def test_config_show_tells_origins_and_masks_secrets(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("limits:\n  queue_capacity: 7\n")
    environ = {"AIRBOSS_SERVER__PORT": "8701", "OPENAI_API_KEY": "sk-hidden"}
    done = airboss(tmp_path, "config", "show", "--config", "other.yaml", environ=environ)
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)
    assert (shown["limits"]["queue_capacity"], shown["server"]["port"]) == (7, 8701)
    assert "other.yaml" in done.stdout
    assert "AIRBOSS_SERVER__PORT" in done.stdout
    assert "sk-hidden" not in done.stdout
    machine = json.loads(airboss(tmp_path, "config", "show", "--json", environ=environ).stdout)
    assert "sk-hidden" not in json.dumps(machine)


def test_config_schema_is_a_schema(tmp_path: Path) -> None:
    schema = json.loads(airboss(tmp_path, "config", "schema").stdout)
    assert jsonschema_rs.is_valid(schema, {"limits": {"queue_capacity": 7}})
    assert not jsonschema_rs.is_valid(schema, {"limits": {"queue_capcity": 7}})


def test_the_demo_shows_events_and_a_result_and_exits(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "cancel.md").write_text(
        "# Cancel\nA cancel stops the work of a running job at once.\n"
    )
    done = airboss(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    for text in (
        "job.spawned",
        "tool.called",
        "output.delta",
        "job.completed",
        "completed: ",
    ):
        assert text in done.stdout, text
    assert "cancel.md:2: A cancel stops the work" in done.stdout
    assert not (tmp_path / ".airboss").exists()
    # Where it was, said by the server as it came; not again when it is gone.
    assert "Dashboard" not in done.stdout.partition("job.completed")[2]
    url = re.findall(r"http://\S+/ui/", done.stdout)[-1]
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url, trust_env=False)


def test_a_demo_that_cannot_start_says_so(tmp_path: Path) -> None:
    (tmp_path / "airboss.yaml").write_text(
        "agents:\n  a: {provider: offline, model: planner, tools: [no.such]}\n"
    )
    (tmp_path / "airboss.yaml").write_text(
        "agents:\n  a: {provider: offline, model: planner, tools: [no.such]}\nserver: {prot: 1}\n"
    )
    done = airboss(tmp_path, "demo")
    assert done.returncode != 0
    # As `serve` tells it: all of it at once.
    assert "no.such" in done.stderr + done.stdout
    assert "server.prot" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
