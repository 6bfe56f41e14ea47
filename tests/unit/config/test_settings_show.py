import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from airboss.config import LoadedSettings
from airboss.config.masking import masked, without_password
from airboss.config.show import render_json, render_yaml, shown

Load = Callable[..., LoadedSettings]

TEXT = r"""
storage: {url: 'postgresql://airboss:hunter2@db/airboss'}
limits: {store_url: 'redis://:hunter2@cache'}
agents:
  helper: {instructions: "one # two\nthree: four", max_turns: 5}
mcp:
  servers:
    docs: {endpoint_url: https://docs.example/mcp, headers: {Authorization: secret://env/DOCS}}
"""


def test_every_setting_has_its_value_and_origin(load: Load) -> None:
    loaded = load(TEXT, {"AIRBOSS_SERVER__PORT": "1"}, {"server.data_dir": Path("d")})
    rows = {each.key: (each.value, str(each.origin)) for each in shown(loaded)}
    assert list(rows) == list(loaded.origins)
    assert rows["server.port"] == (1, "environment AIRBOSS_SERVER__PORT")
    assert rows["server.data_dir"] == ("d", "flag --data-dir")
    assert rows["server.receive_timeout_seconds"] == (10, "default")
    assert rows["storage.url"] == ("postgresql://airboss:***@db/airboss", "file airboss.yaml:2")
    assert rows["limits.store_url"] == ("redis://:***@cache", "file airboss.yaml:3")
    assert rows["auth.jwt.secret"] == ("secret://env/AIRBOSS_JWT_SECRET", "default")
    assert rows["mcp.servers.docs.headers.Authorization"][0] == "secret://env/DOCS"
    assert rows["mcp.allowed_images"] == ([], "default")


def test_the_text_is_yaml_that_means_the_same(load: Load, tmp_path: Path) -> None:
    loaded = load(TEXT)
    text = render_yaml(shown(loaded))
    assert "hunter2" not in text
    assert f"{'  port: 8700':<48}  # default\n" in text
    assert yaml.safe_load(text)["agents"]["helper"]["instructions"] == "one # two\nthree: four"
    again = load(text)
    ours = loaded.settings.model_dump(exclude={"storage", "limits"})
    assert again.settings.model_dump(exclude={"storage", "limits"}) == ours


def test_the_json_form_has_dotted_keys(load: Load) -> None:
    form = render_json(shown(load("server: {port: 1}")))
    assert form["server.port"] == {"value": 1, "origin": {"layer": "file", "place": "airboss.yaml:1"}}
    assert form["server.host"] == {"value": "127.0.0.1", "origin": {"layer": "default", "place": None}}
    json.dumps(form)


@pytest.mark.parametrize(
    ("url", "shown_url"),
    [
        ("postgresql://user:pw@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("postgresql://user:p@w/x?@host/db", "postgresql://user:***@host/db"),
        ("redis://:pw@host", "redis://:***@host"),
        (
            "postgresql://host/db?password=pw&sslmode=require",
            "postgresql://host/db?password=***&sslmode=require",
        ),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("https://host:8080/a", "https://host:8080/a"),
        ("no url: a@b", "no url: a@b"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown_url: str) -> None:
    assert without_password(url) == shown_url


def test_literal_headers_and_environment_are_masked() -> None:
    assert masked(("mcp", "servers", "a", "headers", "Authorization"), "Bearer x") == "***"
    assert masked(("mcp", "servers", "a", "env", "K"), 5) == "***"
    assert masked(("mcp", "servers", "a", "env", "K"), "secret://env/K") == "secret://env/K"
    assert masked(("mcp", "servers", "a", "args"), ["-u", "http://u:pw@h"]) == ["-u", "http://u:***@h"]
