"""One merge of all layers: defaults < YAML file < environment < flags."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from airboss.config.environment import CONFIG_VARIABLE, EnvironmentReading, read_environment
from airboss.config.explain import (
    broken_rule_problem,
    broken_rules,
    invalid_paths,
    problems_of,
    unknown_variable,
)
from airboss.config.flags import read_flags
from airboss.config.layers import Layer, origin_of_leaf
from airboss.config.origins import LayerName, Origin
from airboss.config.paths import KeyPath, dotted
from airboss.config.problems import Problem, SettingsError
from airboss.config.settings import AppSettings
from airboss.config.yaml_file import read_yaml_file

DEFAULT_FILE_NAME = "airboss.yaml"

_VARIABLE_REFERENCE = re.compile(r"secret://env/([A-Za-z_][A-Za-z0-9_]*)")

Layers = tuple[Layer, ...]  # highest first, as pydantic-settings orders its sources

_File = tuple[Path | None, Layer, list[Problem]]


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The merged settings, the origin of every one by its dotted key, and the file that was read."""

    settings: AppSettings
    origins: Mapping[str, Origin]
    config_path: Path | None


def load_settings(
    *, config_path: Path | None, environ: Mapping[str, str], flags: Mapping[str, object], cwd: Path
) -> LoadedSettings:
    """Merge what the file, the environment and the flags set over the defaults.

    `config_path` None means the file that AIRBOSS_CONFIG names, else `airboss.yaml` in `cwd` if it is there.
    `flags` maps dotted keys to values; None stands for a flag that was not given.
    Raises SettingsError with everything that is wrong at once.
    """
    path, file_layer, problems = _read_file(config_path, environ, cwd)
    environment = read_environment(environ, file_layer.values)
    layers = (read_flags(flags), environment.layer, file_layer)
    settings, found = _merge(layers)
    problems = [*problems, *environment.problems, *found, *_unknown_variables(environment, settings, layers)]
    if settings is None or problems:
        raise SettingsError(problems)
    return LoadedSettings(settings, MappingProxyType(_origins(settings, layers)), path)


def leaves(settings: AppSettings) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every setting with its JSON value; an empty mapping counts as one."""
    yield from _leaves(settings.model_dump(mode="json"), ())


class _LayerSource(PydanticBaseSettingsSource):
    """Hands a layer to pydantic-settings, which merges the layers."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(AppSettings)
        self._layer = layer

    def __call__(self) -> dict[str, Any]:
        return dict(self._layer.values)

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - asked for by the base class
        field_name: str,
    ) -> tuple[Any, str, bool]:
        return self._layer.values.get(field_name), field_name, False


def _read_file(config_path: Path | None, environ: Mapping[str, str], cwd: Path) -> _File:
    if config_path is not None:
        return _read_named(config_path, cwd, Origin(LayerName.FLAG, "--config"))
    if environ.get(CONFIG_VARIABLE):
        return _read_named(
            Path(environ[CONFIG_VARIABLE]), cwd, Origin(LayerName.ENVIRONMENT, CONFIG_VARIABLE)
        )
    path = cwd / DEFAULT_FILE_NAME
    try:
        return path, *read_yaml_file(path, DEFAULT_FILE_NAME)
    except FileNotFoundError:
        return None, Layer(), []


def _read_named(name: Path, cwd: Path, named_by: Origin) -> _File:
    path = cwd / name
    try:
        return path, *read_yaml_file(path, str(name))
    except FileNotFoundError:
        problem = Problem(f"there is no file {name}; create it or name another", origin=named_by)
        raise SettingsError([problem]) from None


def _merge(layers: Layers) -> tuple[AppSettings | None, list[Problem]]:
    try:
        return _built(layers), []
    except ValidationError as error:
        problems = list(problems_of(error, layers))
        return None, [*problems, *_rules_broken_besides(error, layers)]


def _built(layers: Layers) -> AppSettings:
    return AppSettings(_build_sources=(tuple(_LayerSource(layer) for layer in layers), {}))


def _rules_broken_besides(error: ValidationError, layers: Layers) -> Iterator[Problem]:
    """Check the rules between settings without those that are invalid, so that all is told at once."""
    dropped = invalid_paths(error)
    if not dropped:
        return
    try:
        _built(tuple(layer.without(dropped) for layer in layers))
    except ValidationError as second:
        for rule in (rule for details in second.errors() for rule in broken_rules(details)):
            if not _touches(dropped, (rule.path, *rule.depends_on)):
                yield broken_rule_problem(rule, layers)


def _touches(dropped: set[KeyPath], paths: Iterable[KeyPath]) -> bool:
    return any(path[: len(gone)] == gone for path in paths for gone in dropped)


def _unknown_variables(
    environment: EnvironmentReading, settings: AppSettings | None, layers: Layers
) -> Iterator[Problem]:
    """Report variables that set nothing, but for those that a secret's reference names."""
    merged: list[object] = [settings] if settings else [AppSettings(), *(layer.values for layer in layers)]
    referenced = {name for each in merged for name in _variables_named_in(each)}
    for variable, path in environment.unknown.items():
        if variable not in referenced:
            yield unknown_variable(variable, path)


def _variables_named_in(value: object) -> Iterator[str]:
    if isinstance(value, AppSettings):
        yield from _variables_named_in(value.model_dump(mode="json"))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _variables_named_in(inner)
    elif isinstance(value, str) and (found := _VARIABLE_REFERENCE.fullmatch(value)):
        yield found[1]


def _origins(settings: AppSettings, layers: Layers) -> dict[str, Origin]:
    return {dotted(path): origin_of_leaf(path, layers) for path, _ in leaves(settings)}


def _leaves(values: Mapping[str, Any], prefix: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in values.items():
        path = (*prefix, name)
        if isinstance(value, dict) and value:
            yield from _leaves(value, path)
        else:
            yield path, value
