"""Engines: who is next."""
