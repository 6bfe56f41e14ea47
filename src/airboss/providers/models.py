"""Models by provider and name."""

from collections.abc import Iterable

from agents import Model

from airboss.domain.providers import ProviderKind, ProviderSpec
from airboss.providers.offline.model import OfflineModel
from airboss.providers.wire import ReadSecret, WireProvider


class ModelSource:
    """Gives the model that answers for a provider; closes what it opened."""

    def __init__(self, providers: Iterable[ProviderSpec], read_secret: ReadSecret) -> None:
        self._specs = {provider.name: provider for provider in providers}
        self._read_secret = read_secret
        self._wires: dict[str, WireProvider] = {}

    def get(self, provider: str, model: str) -> Model:
        """Return a model; raises `JobFailure` where the provider's key cannot be read."""
        spec = self._specs[provider]
        if spec.kind is ProviderKind.OFFLINE:
            return OfflineModel()
        wire = self._wires.get(provider)
        if wire is None:
            wire = self._wires[provider] = WireProvider(spec, self._read_secret)
        return wire.model(model)

    async def close(self) -> None:
        for wire in self._wires.values():
            await wire.close()
        self._wires.clear()
