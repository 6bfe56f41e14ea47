"""Whether a provider is spoken to natively."""

from importlib import metadata

from airboss.domain.providers import ProviderApi, ProviderKind, ProviderSpec

#: What `/v1/providers` and the log call this wire.
MESSAGES = "messages"
_PACKAGE, _MAJOR = "anthropic", "2"


def wire_of(spec: ProviderSpec) -> str:
    """Return the API that is spoken: `messages` where the extra is installed, else the one of the settings.

    Who asks for `responses` by name gets it; the client library is not imported to find out.
    """
    is_native = spec.kind is ProviderKind.ANTHROPIC and spec.api is ProviderApi.CHAT_COMPLETIONS
    return MESSAGES if is_native and _is_installed() else spec.api.value


def _is_installed() -> bool:
    """Look for the release that the extra asks for: an older one that came with something else will not do."""
    try:
        return metadata.version(_PACKAGE).partition(".")[0] == _MAJOR
    except metadata.PackageNotFoundError:
        return False
