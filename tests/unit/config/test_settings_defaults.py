import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from airboss.config import AppSettings, load_settings
from airboss.config.agents import AgentSettings
from airboss.config.schema import settings_schema
from airboss.config.tree import PLACEHOLDER, key_at, known_paths

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config" / "airboss.example.yaml"


@pytest.fixture(scope="module")
def example() -> AppSettings:
    return load_settings(config_path=EXAMPLE, environ={}, flags={}, cwd=ROOT).settings


def test_the_example_holds_the_defaults(example: AppSettings) -> None:
    defaults = AppSettings()
    assert example.agents == {"assistant": AgentSettings()}
    assert example.model_copy(update={"agents": {}}) == defaults


def test_the_example_names_every_setting_in_the_order_of_the_schema() -> None:
    written = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    names = {"providers": "openai", "agents": "assistant"}
    for path in known_paths():
        there = written
        for at, part in enumerate(path):
            if part == PLACEHOLDER and path[at - 1] not in names:
                break
            there = there[names[path[at - 1]] if part == PLACEHOLDER else part]
    assert list(written) == list(AppSettings.model_fields)
    assert list(written["providers"]["openai"]) == list(type(AppSettings().providers["openai"]).model_fields)


def test_the_example_says_something_about_every_setting() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    silent = [line for line in lines if ": " in line and not line.startswith("#") and "  #" not in line]
    assert silent == []


def test_every_setting_is_described() -> None:
    def undescribed(model: type[BaseModel], prefix: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, field in model.model_fields.items():
            if not field.description:
                yield (*prefix, name)
            key = key_at((*prefix, name))
            if key and key.model:
                yield from undescribed(key.model, (*prefix, name))
            elif key and key.is_mapping and (inner := key.child(PLACEHOLDER)) and inner.model:
                yield from undescribed(inner.model, (*prefix, name, PLACEHOLDER))

    assert list(undescribed(AppSettings, ())) == []


def test_the_schema_is_titled_described_and_has_the_defaults() -> None:
    schema = settings_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "Airboss settings"
    port = schema["$defs"]["ServerSettings"]["properties"]["port"]
    assert (port["type"], port["minimum"], port["maximum"], port["default"]) == ("integer", 0, 65535, 8700)
    assert "TCP port" in port["description"]
    assert schema["additionalProperties"] is False
    assert "kind" not in schema["$defs"]["ProviderSettings"].get("required", [])
    json.dumps(schema)


def test_a_key_goes_only_to_the_vendor_it_is_for() -> None:
    kinds = ["openai", "anthropic", "ollama", "openai_compatible", "offline"]
    providers = AppSettings.model_validate(
        {"providers": {f"a-{kind}": {"kind": kind, "base_url": "http://127.0.0.1:8000/v1"} for kind in kinds}}
    ).providers
    keys = {kind: str(providers[f"a-{kind}"].api_key) for kind in kinds}
    assert keys == {
        "openai": "secret://env/OPENAI_API_KEY",
        "anthropic": "secret://env/ANTHROPIC_API_KEY",
        "ollama": "None",
        "openai_compatible": "None",
        "offline": "None",
    }
    explicit = AppSettings.model_validate({"providers": {"openai": {"api_key": None}}})
    assert explicit.providers["openai"].api_key is None


def test_settings_are_frozen_and_their_errors_do_not_repeat_input() -> None:
    settings = AppSettings()
    with pytest.raises(ValidationError):
        settings.server.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError) as caught:
        AppSettings.model_validate({"auth": {"jwt": {"secret": "hunter2"}}})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValidationError, match=r"auth\.mode is off"):
        AppSettings.model_validate({"server": {"host": "0.0.0.0"}})


def test_the_settings_do_not_print_passwords() -> None:
    settings = AppSettings.model_validate(
        {
            "storage": {"url": "postgresql://u:hunter2@h/db", "replica_url": "postgresql://u:hunter2@r/db"},
            "limits": {"store_url": "redis://:hunter2@h"},
            "events": {"relay_url": "redis://:hunter2@h"},
        }
    )
    assert "hunter2" not in repr(settings) + str(settings)
