"""Connections to MCP servers: where they may lead, and the SDK behind them loaded at first use."""

from collections.abc import Callable

import httpx2

from airboss.domain.mcp_policies import McpPolicy, ProcessPolicy, ServersPolicy
from airboss.domain.mcp_servers import ServerOrigin
from airboss.domain.policies import AddressScope, ReachPolicy
from airboss.mcp.connections import Connections
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.mcp import McpConnections, McpWatch
from airboss.runtime.lazy_mcp import LazySessions
from airboss.security.guarded_transport import guarded_transport

#: A drain has one second beyond its grace, in which a server that ignores everything must have been killed.
_ENDING = ProcessPolicy(input_closed_seconds=0.25, terminate_seconds=0.35)
#: The operator's own file may name any address.
_OF_SETTINGS = ReachPolicy(("*",), allow_http=True, addresses=AddressScope.ANY)
_PUBLIC = ReachPolicy(("*",), allow_http=False, addresses=AddressScope.PUBLIC)
#: Never the addresses where clouds keep the keys of a machine.
_PRIVATE_TOO = ReachPolicy(("*",), allow_http=True, addresses=AddressScope.PRIVATE)


def build_connections(
    policy: ServersPolicy, *, read_secret: Callable[[str], str], watch: McpWatch, clock: Clock, log: Log
) -> McpConnections:
    bounds = McpPolicy(process=_ENDING)

    def make_transport(origin: ServerOrigin) -> httpx2.AsyncBaseTransport:
        if origin is ServerOrigin.SETTINGS:
            return guarded_transport(_OF_SETTINGS)
        return guarded_transport(_PRIVATE_TOO if policy.allow_private_endpoints else _PUBLIC)

    sessions = LazySessions(
        lambda module: module.session_opener(
            policy=bounds, read_secret=read_secret, make_transport=make_transport, clock=clock, log=log
        ),
        log,
    )
    return Connections(sessions.load, policy=bounds, watch=watch, log=log, clock=clock)
