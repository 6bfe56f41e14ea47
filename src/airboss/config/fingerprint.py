"""A short hash that tells whether two starts had the same settings."""

import hashlib
import json

from airboss.config.masking import masked
from airboss.config.paths import dotted
from airboss.config.settings import AppSettings, leaves

_DIGITS = 16


def settings_hash(settings: AppSettings) -> str:
    """Hash the settings as they may be shown: a masked password, or another value of a secret, changes nothing."""
    shown = {dotted(path): masked(path, value) for path, value in leaves(settings)}
    text = json.dumps(shown, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
