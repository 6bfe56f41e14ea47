"""Settings of secret stores: `secrets`."""

from pydantic import Field

from airboss.config.section import Section
from airboss.config.values import HttpUrl, Secret


class VaultSettings(Section):
    """How Vault is reached, for secret://vault/… references."""

    address: HttpUrl | None = Field(None, description="Address of Vault; null: no Vault.")
    token: Secret | None = Field(
        None, description="Reference to a token; null: role_id and secret_id are used."
    )
    role_id: Secret | None = Field(None, description="Reference to the AppRole's role id.")
    secret_id: Secret | None = Field(None, description="Reference to the AppRole's secret id.")


class SecretsSettings(Section):
    """Where references to secrets are looked up, besides the environment and files."""

    vault: VaultSettings = Field(default_factory=VaultSettings, description="HashiCorp Vault.")
