"""Settings as far as they can be used, with all that is wrong with them: checks add to it, one after the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from airboss.config.explain import finding_problem
from airboss.config.findings import Finding
from airboss.config.layers import Layer, origin_of_leaf
from airboss.config.origins import Origin
from airboss.config.paths import ItemPath, dotted, touches
from airboss.config.problems import Problem, SettingsError
from airboss.config.sections import Sections
from airboss.config.settings import AppSettings, leaves


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The merged settings, the origin of every one by its dotted key, and the file that was read."""

    settings: AppSettings
    origins: Mapping[str, Origin]
    config_path: Path | None


class SettingsReading:
    """The merged settings, defaults in the place of what is broken, and every problem so far.

    What follows from an earlier mistake is not told: a finding that is about something broken, or depends on it.
    """

    def __init__(
        self,
        settings: Sections,
        layers_highest_first: tuple[Layer, ...],
        config_path: Path | None,
        problems: Iterable[Problem],
        broken: Iterable[ItemPath],
    ) -> None:
        self.settings = settings
        self._layers = layers_highest_first
        self._config_path = config_path
        self._problems = list(problems)
        self._broken = list(broken)

    def is_sound(self, *paths: ItemPath) -> bool:
        """Tell whether nothing is wrong at these places, above them and below."""
        return not any(touches(path, broken) for path in paths for broken in self._broken)

    def add(self, findings: Iterable[Finding]) -> None:
        """Take in what one check found; its findings do not follow from each other."""
        told = [found for found in findings if self.is_sound(found.path, *found.depends_on)]
        self._problems.extend(finding_problem(found, self._layers) for found in told)
        self._broken.extend(found.path for found in told)

    def loaded(self) -> LoadedSettings:
        """Return the settings; raises `SettingsError` with everything that is wrong."""
        settings = self.settings
        if self._problems or not isinstance(settings, AppSettings):
            raise SettingsError(self._problems)
        origins = {dotted(path): origin_of_leaf(path, self._layers) for path, _ in leaves(settings)}
        return LoadedSettings(settings, MappingProxyType(origins), self._config_path)
