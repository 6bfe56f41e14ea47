"""`airboss agents`: what can be spawned."""

from typing import Annotated
from urllib.parse import quote

import typer
from rich.text import Text

from airboss.cli import times
from airboss.cli.completion import complete_agent
from airboss.cli.connecting import connect
from airboss.cli.groups import ListFirstGroup
from airboss.cli.options import ConfigOption, JsonOption, TokenOption, UrlOption
from airboss.cli.table import Column, Listing
from airboss.cli.terminal import clean, say, write_json

agents = typer.Typer(cls=ListFirstGroup, help="List and show the agents that can be spawned.")

_COLUMNS = (
    Column("name", lambda agent: agent["name"], most=20, is_whole=True),
    Column("provider", lambda agent: agent["provider"], most=14),
    Column("model", lambda agent: agent["model"], most=20),
    Column("running", lambda agent: str(agent["running"])),
    Column("pending", lambda agent: "paused" if agent["paused"] else str(agent["pending"])),
    Column("tools", lambda agent: " ".join(agent["tools"]), most=200),
)


@agents.command("list")
def list_agents(
    *,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the agents that can be spawned; 'airboss agents' alone does the same."""
    listed = connect(url, token, config).list("/v1/agents")
    if as_json:
        for agent in listed:
            write_json(agent)
    else:
        Listing(_COLUMNS).add(listed)


@agents.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The agent's name.", autocompletion=complete_agent)
    ],
    *,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an agent: its model, its tools, its limits, and what it does now."""
    agent = connect(url, token, config).get(f"/v1/agents/{quote(name, safe='')}")
    if as_json:
        write_json(agent)
        return
    limit = agent["max_concurrent_jobs"]
    now = f"{agent['running']} running, {agent['pending']} pending{', paused' if agent['paused'] else ''}"
    fields = {
        "Agent": agent["name"],
        "Now": now,
        "Provider": agent["provider"],
        "Model": agent["model"],
        "Tools": " ".join(agent["tools"]),
        "MCP servers": " ".join(agent["mcp_servers"]),
        "Handoffs": " ".join(agent["handoffs"]),
        "Time-out": times.duration(agent["timeout_seconds"]),
        "At once": "as many as the node runs" if limit is None else f"{limit} jobs",
        "Turns": f"at most {agent['max_turns']}",
        "Attempts": f"at most {agent['max_attempts']}; {agent['on_interrupt']} after an interruption",
        "Retried on": " ".join(agent["retry_on"]),
        "Revision": agent["revision"],
    }
    for label, value in fields.items():
        if value:
            say(Text.assemble((f"{label:14}", "dim"), clean(value)))
    say(Text("\nInstructions", style="bold"))
    say(Text(clean(agent["instructions"])))
