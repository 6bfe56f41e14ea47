"""Stores: the truth about jobs and events."""
