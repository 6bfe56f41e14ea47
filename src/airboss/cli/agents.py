"""`airboss agents`: what can be spawned."""

from airboss.cli.connecting import connect
from airboss.cli.options import ConfigOption, JsonOption, TokenOption, UrlOption
from airboss.cli.render import echo_agents, echo_json


def agents(
    *,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the agents that can be spawned."""
    listed = connect(url, token, config).get("/v1/agents")["data"]
    if as_json:
        for agent in listed:
            echo_json(agent)
    else:
        echo_agents(listed)
