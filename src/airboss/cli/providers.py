"""`airboss providers`: who answers, and how they are."""

from airboss.cli.api_client import ApiClient
from airboss.cli.options import ConfigOption, JsonOption, TokenOption, UrlOption, server_url
from airboss.cli.render import echo_json, echo_providers


def providers(
    *,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the providers with their calls and breakers."""
    listed = ApiClient(server_url(url, config), token).get("/v1/providers")["data"]
    if as_json:
        for provider in listed:
            echo_json(provider)
    else:
        echo_providers(listed)
