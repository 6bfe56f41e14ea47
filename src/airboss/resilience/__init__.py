"""Keeping time, pace and order when things go wrong."""
