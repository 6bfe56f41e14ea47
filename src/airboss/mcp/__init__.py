"""MCP servers: connections that a task of their own opens, uses and closes. The SDK is imported here only."""
