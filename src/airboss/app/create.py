"""create_app: from a runtime to an ASGI application."""

from starlette.types import ASGIApp

from airboss.api.application import build_application
from airboss.api.authentication import AuthOff, BearerAuth
from airboss.api.compression import Compressed
from airboss.api.cross_origin import CrossOrigin
from airboss.api.edge import Edge
from airboss.api.head import HeadAsGet
from airboss.api.hosts import HostGuard
from airboss.api.key_check import KeyCheck
from airboss.api.provider_probe import ProviderProbe
from airboss.api.rates.rates import RateLimits
from airboss.api.readiness import Readiness
from airboss.api.services import Services
from airboss.api.tickets import Tickets
from airboss.runtime.runtime import Runtime
from airboss.version import VERSION


def create_app(runtime: Runtime, rates: RateLimits) -> ASGIApp:
    """Wire a runtime to HTTP; raises `MissingRuleError` where a route declares no rule."""
    edge = runtime.config.edge
    tokens = runtime.authentication
    readiness = Readiness(
        store=runtime.store,
        manager=runtime.manager,
        lag=runtime.lag,
        clock=runtime.clock,
        is_recovered=lambda: runtime.is_recovered,
        probes=[
            *([] if tokens is None else [KeyCheck(tokens.keys)]),
            *(
                ProviderProbe(provider, runtime.clock)
                for provider in runtime.providers
                if provider.spec.readiness_probe
            ),
        ],
    )
    services = Services(
        manager=runtime.manager,
        mcp=runtime.mcp,
        store=runtime.store,
        bus=runtime.bus,
        metrics=runtime.metrics,
        readiness=readiness,
        tickets=Tickets(runtime.clock),
        providers=runtime.providers,
        authenticator=AuthOff() if tokens is None else BearerAuth(tokens.verifier),
        edge=edge,
        clock=runtime.clock,
        rates=rates,
        version=VERSION,
    )
    app: ASGIApp = build_application(services)
    app = Compressed(app)
    app = HeadAsGet(app)
    if edge.cors_origins:
        app = CrossOrigin(app, edge.cors_origins)
    return Edge(
        app,
        hosts=_host_guard(runtime),
        metrics=runtime.metrics,
        is_tls=runtime.config.listen.tls is not None,
    )


def _host_guard(runtime: Runtime) -> HostGuard | None:
    """Return the guard; None where tokens are asked for, which no page in a browser can make up, and no hosts named."""
    edge = runtime.config.edge
    if runtime.authentication is not None and not edge.allowed_hosts:
        return None
    return HostGuard(
        bound_host=runtime.config.listen.host,
        allowed_hosts=edge.allowed_hosts,
        cors_origins=edge.cors_origins,
    )
