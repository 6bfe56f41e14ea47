"""What an agent's tools must be, before a server starts."""

import pytest
from tests.support.jobs import new_agent

from airboss.runtime.toolbox import UnknownToolError, require_tools
from airboss.tools.registry import ToolRegistry


def test_the_generic_tool_may_be_named_where_there_are_servers() -> None:
    require_tools([new_agent("a", tools=("mcp.call",), mcp_servers=("git",))], ToolRegistry([]))


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (("mcp.call",), "agents.a.tools: mcp.call calls tools of the agent's MCP servers, and it has none"),
        (("mcp.cal",), "there is no tool 'mcp.cal'; did you mean mcp.call?"),
    ],
)
def test_what_no_agent_may_name(tools: tuple[str, ...], said: str) -> None:
    with pytest.raises(UnknownToolError, match=said):
        require_tools([new_agent("a", tools=tools)], ToolRegistry([]))
