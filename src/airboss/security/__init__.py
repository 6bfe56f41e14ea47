"""Who may do what, and how secrets are reached."""

from airboss.security.secrets import SecretReference, SecretResolver, SecretUnavailable

__all__ = ["SecretReference", "SecretResolver", "SecretUnavailable"]
