"""What is told of a job's error."""

from airboss.cli.job_page import error_lines


def test_what_the_message_says_already_is_not_said_again() -> None:
    reason = "the command x was not found in /bin"
    error = {
        "code": "mcp_unavailable",
        "message": f"the MCP server 'a' cannot be used: {reason}",
        "details": {"server": "a", "reason": reason, "tries": 3},
    }
    lines = [line.plain for line in error_lines({"error": error, "id": "1", "agent": "b"})]
    assert [line.strip() for line in lines[:2]] == [
        f"Error  mcp_unavailable: {error['message']}",
        '{"tries": 3}',
    ]
    assert lines[2].startswith("Next")
