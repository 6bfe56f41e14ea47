from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from airboss.config import LoadedSettings, SettingsError, load_settings

Load = Callable[..., LoadedSettings]
Refusal = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(
        text: str | None = None,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> LoadedSettings:
        if text is not None:
            (tmp_path / "airboss.yaml").write_text(text, encoding="utf-8")
        return load_settings(config_path=None, environ=environ or {}, flags=flags or {}, cwd=tmp_path)

    return loaded


@pytest.fixture
def refusal(load: Load) -> Refusal:
    """The lines of the error that these layers meet."""

    def lines(
        text: str | None = None,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text, environ, flags)
        return str(caught.value).splitlines()

    return lines
