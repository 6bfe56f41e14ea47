"""What an agent's tools must be, before a server starts."""

import pytest
from tests.support.jobs import new_agent

from airboss.runtime.toolbox import unknown_tools


def test_the_generic_tool_may_be_named_where_there_are_servers() -> None:
    assert not list(unknown_tools([new_agent("a", tools=("mcp.call",), mcp_servers=("git",))]))


@pytest.mark.parametrize(
    ("tools", "servers", "said"),
    [
        (("mcp.call",), (), "[0]: mcp.call calls tools of the agent's MCP servers, and it has none"),
        (("mcp.cal",), (), "[0]: there is no tool 'mcp.cal'; did you mean 'mcp.call'?"),
        (
            ("files.list", "shell"),
            (),
            "[1]: there is no tool 'shell'; there are: files.list, files.read, files.write, web.fetch, mcp.call",
        ),
        (
            ("git.git_log",),
            ("git",),
            "[0]: the agent has every tool of the MCP server 'git' already: leave 'git.git_log' out",
        ),
    ],
)
def test_what_no_agent_may_name(tools: tuple[str, ...], servers: tuple[str, ...], said: str) -> None:
    (found,) = unknown_tools([new_agent("a", tools=tools, mcp_servers=servers)])
    assert str(found).startswith(f"agents.a.tools{said}")


def test_every_tool_that_is_not_there_is_told() -> None:
    agents = [new_agent("a", tools=("x", "files.read", "y")), new_agent("b", tools=("z",))]
    assert [found.path for found in unknown_tools(agents)] == [
        ("agents", "a", "tools", 0),
        ("agents", "a", "tools", 2),
        ("agents", "b", "tools", 0),
    ]
