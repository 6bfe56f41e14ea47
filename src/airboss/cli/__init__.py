"""The command line: the server, and a client of its HTTP API."""
