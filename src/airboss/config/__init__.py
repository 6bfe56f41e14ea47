"""The settings: their names and defaults, one merge of all layers, and the origin of every value."""

from airboss.config.load import LoadedSettings, load_settings
from airboss.config.origins import LayerName, Origin
from airboss.config.problems import Problem, SettingsError
from airboss.config.settings import AppSettings

__all__ = [
    "AppSettings",
    "LayerName",
    "LoadedSettings",
    "Origin",
    "Problem",
    "SettingsError",
    "load_settings",
]
