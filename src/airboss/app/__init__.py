"""A runtime wired to HTTP, and the server that serves it."""
