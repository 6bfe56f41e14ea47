"""Routers, each built by a factory from the services it is given."""
