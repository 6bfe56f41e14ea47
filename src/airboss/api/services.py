"""What routers are given."""

from dataclasses import dataclass

from starlette.requests import Request

from airboss.api.authentication import Authenticator
from airboss.api.rates.rates import RateLimits
from airboss.api.readiness import Readiness
from airboss.api.tickets import Tickets
from airboss.domain.audit import Caller
from airboss.domain.policies import EdgePolicy
from airboss.domain.principals import Principal
from airboss.events.bus import EventBus
from airboss.manager.manager import AgentManager
from airboss.manager.mcp_servers import McpServers
from airboss.ports.clock import Clock
from airboss.ports.store import Store
from airboss.providers.registry import ProviderRegistry
from airboss.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Services:
    """The one set of parts that every router works with."""

    manager: AgentManager
    mcp: McpServers
    store: Store
    bus: EventBus
    metrics: Metrics
    readiness: Readiness
    tickets: Tickets
    providers: ProviderRegistry
    authenticator: Authenticator
    edge: EdgePolicy
    clock: Clock
    rates: RateLimits
    version: str


def principal_of(request: Request) -> Principal:
    """Return the caller that the route's rule let in."""
    principal: Principal = request.scope["state"]["principal"]
    return principal


def caller_of(request: Request) -> Caller:
    """Return the caller with the request's id, for what is written into the audit."""
    return Caller(principal_of(request), request_id_of(request))


def request_id_of(request: Request) -> str:
    """Return the request's id, which is the correlation id of what it causes."""
    request_id: str = request.scope["state"]["request_id"]
    return request_id
