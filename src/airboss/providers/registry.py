"""The providers of this server: what all jobs share of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airboss.domain.errors import AirbossError
from airboss.domain.nearest_name import suggestion
from airboss.domain.providers import ProviderSpec
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.provider_watch import ProviderWatch
from airboss.providers.call_path import CallPath
from airboss.providers.catalogue import ModelCatalogue
from airboss.providers.connection import ProviderConnection, ReadSecret


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider with its connections, its call path and its models."""

    spec: ProviderSpec
    connection: ProviderConnection
    path: CallPath
    catalogue: ModelCatalogue


class ProviderRegistry:
    """Providers by name, in the order of the settings. Loads no SDK."""

    def __init__(
        self,
        specs: Iterable[ProviderSpec],
        *,
        read_secret: ReadSecret,
        clock: Clock,
        watch: ProviderWatch,
        log: Log,
    ) -> None:
        self._providers: dict[str, Provider] = {}
        for spec in specs:
            connection = ProviderConnection(spec, read_secret, clock, log)
            path = CallPath(spec, clock=clock, watch=watch)
            self._providers[spec.name] = Provider(spec, connection, path, ModelCatalogue(connection, clock))

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._providers.values())

    def get(self, name: str) -> Provider:
        """Return a provider; raises `unknown_provider` with the nearest name there is."""
        provider = self._providers.get(name)
        if provider is None:
            hint = suggestion(name, self._providers)
            raise AirbossError("unknown_provider", f"there is no provider '{name[:64]}'; {hint}")
        return provider

    def chain(self, name: str) -> list[Provider]:
        """Return a provider and those that stand in for it, in order, each once."""
        first = self.get(name)
        return [first, *(self.get(other) for other in first.spec.fallback if other != name)]

    async def close(self) -> None:
        for provider in self._providers.values():
            await provider.catalogue.close()
            await provider.connection.close()
