"""Airboss runs AI agents as jobs: durable, cancellable, observable."""
