"""The settings: their names and defaults, one merge of all layers, and the origin of every value."""

from airboss.config.load import load_settings, read_settings
from airboss.config.origins import LayerName, Origin
from airboss.config.problems import Problem, SettingsError
from airboss.config.reading import LoadedSettings, SettingsReading
from airboss.config.settings import AppSettings

__all__ = [
    "AppSettings",
    "LayerName",
    "LoadedSettings",
    "Origin",
    "Problem",
    "SettingsError",
    "SettingsReading",
    "load_settings",
    "read_settings",
]
