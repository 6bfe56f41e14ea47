from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from airboss.config import AppSettings, LayerName, LoadedSettings, load_settings
from airboss.config.environment import variable_of

Load = Callable[..., LoadedSettings]
Flat = dict[str, int]

KEYS = (
    "server.port",
    "limits.queue_capacity",
    "tools.files.max_bytes",
    "providers.openai.max_concurrent_calls",
    "providers.openai.breaker.window_calls",
    "agents.helper.max_turns",
)
LAYER = st.dictionaries(st.sampled_from(KEYS), st.integers(min_value=6, max_value=9999))


def nested(flat: Flat) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        there = tree
        for section in sections:
            there = there.setdefault(section, {})
        there[name] = value
    return tree


def value_at(root: Any, key: str) -> Any:
    for part in key.split("."):
        root = root[part] if isinstance(root, dict) else getattr(root, part)
    return root


def test_nothing_set_gives_the_defaults(load: Load) -> None:
    loaded = load()
    assert loaded.settings == AppSettings()
    assert loaded.config_path is None
    assert {str(origin) for origin in loaded.origins.values()} == {"default"}


def test_each_layer_wins_over_the_one_below(load: Load) -> None:
    text = "server:\n  port: 1\n"
    variable = {"AIRBOSS_SERVER__PORT": "2"}
    assert load().settings.server.port == 8700
    assert load(text).settings.server.port == 1
    assert load(text, variable).settings.server.port == 2
    assert load(text, variable, {"server.port": 3}).settings.server.port == 3
    assert load(text, variable, {"server.port": None}).settings.server.port == 2


@settings(max_examples=60, deadline=None)
@given(file=LAYER, environment=LAYER, flags=LAYER)
def test_the_highest_layer_that_sets_a_key_decides(
    tmp_path_factory: pytest.TempPathFactory, file: Flat, environment: Flat, flags: Flat
) -> None:
    cwd = tmp_path_factory.mktemp("merge")
    (cwd / "airboss.yaml").write_text(yaml.safe_dump(nested(file)), encoding="utf-8")
    environ = {variable_of(tuple(key.split("."))): str(value) for key, value in environment.items()}
    loaded = load_settings(config_path=None, environ=environ, flags=flags, cwd=cwd)
    layers = [(LayerName.FLAG, flags), (LayerName.ENVIRONMENT, environment), (LayerName.FILE, file)]
    for key in KEYS:
        name, layer = next(((name, layer) for name, layer in layers if key in layer), (LayerName.DEFAULT, {}))
        if layer:
            assert value_at(loaded.settings, key) == layer[key]
        if key in loaded.origins:
            assert loaded.origins[key].layer == name


def test_origins_name_the_line_the_variable_and_the_flag(load: Load) -> None:
    loaded = load(
        "# first\nserver:\n  port: 1\n  cors_origins:\n    - https://a.example\n",
        {"AIRBOSS_LIMITS__QUEUE_CAPACITY": "5"},
        {"server.data_dir": Path("elsewhere")},
    )
    assert str(loaded.origins["server.port"]) == "file airboss.yaml:3"
    assert str(loaded.origins["server.cors_origins"]) == "file airboss.yaml:4"
    assert str(loaded.origins["limits.queue_capacity"]) == "environment AIRBOSS_LIMITS__QUEUE_CAPACITY"
    assert str(loaded.origins["server.data_dir"]) == "flag --data-dir"
    assert str(loaded.origins["server.host"]) == "default"


def test_a_variable_is_merged_into_a_provider_of_the_file(load: Load) -> None:
    loaded = load(
        "providers:\n  local-1:\n    kind: ollama\n    max_concurrent_calls: 2\n",
        {"AIRBOSS_PROVIDERS__LOCAL_1__API": "responses", "AIRBOSS_PROVIDERS__OPENAI__API": "responses"},
    )
    provider = loaded.settings.providers["local-1"]
    assert (provider.kind, provider.max_concurrent_calls, provider.api) == ("ollama", 2, "responses")
    assert loaded.settings.providers["openai"].api == "responses"
    assert sorted(loaded.settings.providers) == ["local-1", "offline", "openai"]


def test_a_more_exact_variable_wins_over_a_json_object(load: Load) -> None:
    environ = {
        "AIRBOSS_TOOLS__FILES": '{"max_bytes": 1, "writable": true}',
        "AIRBOSS_TOOLS__FILES__MAX_BYTES": "2",
    }
    loaded = load(None, environ)
    assert loaded.settings.tools.files.max_bytes == 2
    assert loaded.settings.tools.files.writable is True
    assert str(loaded.origins["tools.files.writable"]) == "environment AIRBOSS_TOOLS__FILES"


def test_a_list_is_replaced_not_appended_to(load: Load) -> None:
    loaded = load(
        "server: {allowed_hosts: [a.example]}", {"AIRBOSS_SERVER__ALLOWED_HOSTS": "b.example, c.example"}
    )
    assert loaded.settings.server.allowed_hosts == ("b.example", "c.example")


def test_what_a_variable_may_hold(load: Load) -> None:
    text = "storage: {url: 'memory://'}\nlimits: {spawn_rate: 1/second}\n"
    loaded = load(
        text,
        {
            "AIRBOSS_STORAGE__URL": "null",
            "AIRBOSS_LIMITS__SPAWN_RATE": "",
            "AIRBOSS_SERVER__CORS_ORIGINS": '["https://a.example"]',
            "AIRBOSS_SERVER__ALLOWED_HOSTS": "",
            "AIRBOSS_SERVER__METRICS_PUBLIC": "false",
            "AIRBOSS_EVENTS__HEARTBEAT_SECONDS": "0.5",
        },
    )
    assert loaded.settings.storage.url is None
    assert loaded.settings.limits.spawn_rate is None
    assert loaded.settings.server.cors_origins == ("https://a.example",)
    assert loaded.settings.server.allowed_hosts == ()
    assert loaded.settings.server.metrics_public is False
    assert loaded.settings.events.heartbeat_seconds == 0.5


def test_an_mcp_server_is_reached_down_to_its_headers(load: Load) -> None:
    loaded = load(
        "mcp: {servers: {docs: {endpoint_url: 'https://docs.example/mcp', headers: {X-Api-Key: secret://env/OLD}}}}",
        {
            "AIRBOSS_MCP__SERVERS__DOCS__HEADERS__X_API_KEY": "secret://env/NEW",
            "AIRBOSS_MCP__SERVERS__TOOL__COMMAND": "tool",
            "AIRBOSS_MCP__SERVERS__TOOL__ARGS": '["-v"]',
            "AIRBOSS_MCP__SERVERS__TOOL__ENV__HOME_KEY": "secret://env/HOME_KEY",
        },
    )
    assert loaded.settings.mcp.servers == {
        "docs": {"endpoint_url": "https://docs.example/mcp", "headers": {"X-Api-Key": "secret://env/NEW"}},
        "tool": {"command": "tool", "args": ["-v"], "env": {"HOME_KEY": "secret://env/HOME_KEY"}},
    }


def test_the_file_is_named_by_argument_then_variable_then_found(tmp_path: Path) -> None:
    for name, port in (("airboss.yaml", 1), ("variable.yaml", 2), ("argument.yaml", 3)):
        (tmp_path / name).write_text(f"server: {{port: {port}}}", encoding="utf-8")

    def port_and_path(config_path: Path | None, environ: dict[str, str]) -> tuple[int, Path | None]:
        loaded = load_settings(config_path=config_path, environ=environ, flags={}, cwd=tmp_path)
        return loaded.settings.server.port, loaded.config_path

    variable = {"AIRBOSS_CONFIG": "variable.yaml"}
    assert port_and_path(None, {}) == (1, tmp_path / "airboss.yaml")
    assert port_and_path(None, {"AIRBOSS_CONFIG": ""}) == (1, tmp_path / "airboss.yaml")
    assert port_and_path(None, variable) == (2, tmp_path / "variable.yaml")
    assert port_and_path(Path("argument.yaml"), variable) == (3, tmp_path / "argument.yaml")


def test_sections_with_nothing_in_them_set_nothing(load: Load) -> None:
    assert load("server:\nproviders:\n  openai:\nagents:\nmcp:\n  servers:\n").settings == AppSettings()
    assert load("# all commented out\n").settings == AppSettings()


def test_anchors_and_merge_keys_work(load: Load) -> None:
    loaded = load(
        "agents:\n  one: &base {provider: offline, max_turns: 5}\n  two:\n    <<: *base\n    max_attempts: 1\n"
    )
    two = loaded.settings.agents["two"]
    assert (two.provider, two.max_turns, two.max_attempts) == ("offline", 5, 1)


def test_the_process_environment_is_never_read(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBOSS_SERVER__PORT", "1")
    monkeypatch.setenv("SERVER", '{"port": 1}')
    assert load().settings.server.port == 8700
    assert AppSettings().server.port == 8700
