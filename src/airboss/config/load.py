"""One merge of all layers: defaults < YAML file < environment < flags."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import PydanticBaseSettingsSource

from airboss.config.consistency import inconsistencies
from airboss.config.environment import CONFIG_VARIABLE, EnvironmentReading, read_environment
from airboss.config.explain import MISSING, UNKNOWN_KEY, place_of, problem_of, unknown_variable
from airboss.config.flags import read_flags
from airboss.config.layers import Layer, key_part
from airboss.config.nearest import nearest
from airboss.config.origins import LayerName, Origin
from airboss.config.paths import ItemPath, KeyPath, touches
from airboss.config.problems import Problem, SettingsError
from airboss.config.reading import LoadedSettings, SettingsReading
from airboss.config.sections import Sections
from airboss.config.settings import INCONSISTENT, AppSettings
from airboss.config.tree import key_at
from airboss.config.yaml_file import read_yaml_file

DEFAULT_FILE_NAME = "airboss.yaml"

#: Rules are told one by one; a default that needs another key is told with that key.
_NOT_TOLD_HERE = (INCONSISTENT, "default_factory_not_called")

_VARIABLE_REFERENCE = re.compile(r"secret://env/([A-Za-z_][A-Za-z0-9_]*)")

Layers = tuple[Layer, ...]  # highest first, as pydantic-settings orders its sources

Built = TypeVar("Built", bound=Sections)

_File = tuple[Path | None, Layer, list[Problem]]


def load_settings(
    *, config_path: Path | None, environ: Mapping[str, str], flags: Mapping[str, object], cwd: Path
) -> LoadedSettings:
    """Merge what the file, the environment and the flags set over the defaults.

    `config_path` None means the file that AIRBOSS_CONFIG names, else `airboss.yaml` in `cwd` if it is there.
    `flags` maps dotted keys to values; None stands for a flag that was not given.
    Raises SettingsError with everything that is wrong at once.
    """
    return read_settings(config_path=config_path, environ=environ, flags=flags, cwd=cwd).loaded()


def read_settings(
    *, config_path: Path | None, environ: Mapping[str, str], flags: Mapping[str, object], cwd: Path
) -> SettingsReading:
    """Merge as `load_settings` does, and keep what is wrong for checks that know more than the settings.

    Raises SettingsError where a file cannot be read at all.
    """
    path, file_layer, file_problems = _read_file(config_path, environ, cwd)
    environment = read_environment(environ, file_layer.values)
    layers = (read_flags(flags), environment.layer, file_layer)
    settings, errors = _valid_part(layers)
    unknown = _unknown_variables(environment, settings, layers)
    problems = [*file_problems, *environment.problems]
    # What was meant there is not known: neither that it is missing nor that it breaks a rule.
    suspect = {problem.path for problem in problems} | _meant(errors, unknown)
    problems.extend(unknown_variable(variable, key) for variable, key in unknown.items())
    problems.extend(problem_of(error, layers) for error in errors if not _follows(error, suspect))
    broken = suspect | {key_part(place_of(error)) for error in errors}
    reading = SettingsReading(settings, layers, path, problems, broken - {()})
    reading.add(inconsistencies(settings))
    return reading


class _LayerSource(PydanticBaseSettingsSource):
    """Hands a layer to pydantic-settings, which merges the layers."""

    def __init__(self, model: type[Sections], layer: Layer) -> None:
        super().__init__(model)
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


def _valid_part(layers: Layers) -> tuple[Sections, list[ErrorDetails]]:
    """Return the settings, with something valid in the place of what is not, and the errors that tell what is not."""
    try:
        return _built(AppSettings, layers), []
    except ValidationError as error:
        errors = found = _told(error)
    invalid: set[KeyPath] = set()
    missing: set[KeyPath] = set()
    while True:
        known = len(invalid) + len(missing)
        for each in found:
            (missing if each["type"] == MISSING else invalid).add(_names(key_part(place_of(each))))
        # Of a section that is left out nothing is missing any more.
        lacking = (path for path in missing if not any(path[:at] in invalid for at in range(len(path))))
        rest = (*(layer.without(invalid) for layer in layers), _stand_ins(lacking))
        try:
            return _built(Sections, rest), errors
        except ValidationError as error:
            # Such as a provider that lacks a kind, now that a wrong one was taken out.
            found = _told(error)
            if known == len(invalid) + len(missing):
                raise


def _told(error: ValidationError) -> list[ErrorDetails]:
    errors = [each for each in error.errors(include_url=False) if each["type"] not in _NOT_TOLD_HERE]
    # pydantic does not count items that are wrong: a list of nothing else would be too short besides.
    lists = {each["loc"][:-1] for each in errors}
    return [each for each in errors if each["type"] != "too_short" or each["loc"] not in lists]


def _stand_ins(missing: Iterable[KeyPath]) -> Layer:
    """Set keys that must be there to something valid; they are choices, all of them."""
    layer: dict[str, Any] = {}
    for path in missing:
        key, section = key_at(path), layer
        for name in path[:-1]:
            section = section.setdefault(name, {})
        section[path[-1]] = key and key.choices[0]
    return Layer(layer)


def _names(path: ItemPath) -> KeyPath:
    return tuple(map(str, path))


def _built(model: type[Built], layers: Layers) -> Built:
    return model(_build_sources=(tuple(_LayerSource(model, layer) for layer in layers), {}))


def _meant(errors: Iterable[ErrorDetails], unknown: Mapping[str, KeyPath]) -> set[ItemPath]:
    """Return the keys that unknown ones were likely meant for."""
    keys = [_names(place_of(error)) for error in errors if error["type"] == UNKNOWN_KEY]
    return {meant for path in (*keys, *unknown.values()) if (meant := nearest(path)) is not None}


def _follows(error: ErrorDetails, suspect: Iterable[ItemPath]) -> bool:
    return error["type"] == MISSING and any(touches(place_of(error), path) for path in suspect if path)


def _unknown_variables(
    environment: EnvironmentReading, settings: Sections, layers: Layers
) -> dict[str, KeyPath]:
    """Return the variables that set nothing, but for those that a secret's reference names."""
    merged = (
        [settings] if isinstance(settings, AppSettings) else [settings, *(each.values for each in layers)]
    )
    referenced = {name for each in merged for name in _variables_named_in(each)}
    return {variable: key for variable, key in environment.unknown.items() if variable not in referenced}


def _variables_named_in(value: object) -> Iterator[str]:
    if isinstance(value, Sections):
        yield from _variables_named_in(value.model_dump(mode="json"))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _variables_named_in(inner)
    elif isinstance(value, str) and (found := _VARIABLE_REFERENCE.fullmatch(value)):
        yield found[1]
