"""Secrets that are kept in Vault: read off the event loop, kept warm, served while Vault is away for a while."""
