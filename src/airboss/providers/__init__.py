"""Providers: what answers a model call."""
