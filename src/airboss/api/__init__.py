"""The HTTP API: routers, rules, errors and streams."""
