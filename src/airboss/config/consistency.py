"""What must hold between settings that are each valid by themselves."""

from collections.abc import Iterable, Iterator

from airboss.config.agents import AgentSettings
from airboss.config.auth import JwtSettings
from airboss.config.findings import Finding
from airboss.config.mcp import JsonSpec
from airboss.config.paths import KeyPath
from airboss.config.sections import Sections
from airboss.domain.json_spec import JsonSpecError, name_problem, parse_json_spec
from airboss.domain.nearest_name import suggestion
from airboss.domain.providers import OFFLINE_MODELS
from airboss.security.secrets import REFERENCE_FORMS, is_reference
from airboss.security.tokens.issuer_urls import is_issuer_url, is_safe

_WRITING_TOOL = "files.write"
_PLAIN_HTTP = (
    "keys are fetched by https only, but from this machine: whoever is on the way could put in their own"
)
_NO_ADDRESS = (
    "is missing: kind openai_compatible has no address of its own; "
    "give that of the server's API, such as base_url: http://127.0.0.1:8000/v1"
)
_VENDORS_OF_DEFAULT_MODEL = ("openai", "offline")


def inconsistencies(settings: Sections) -> Iterator[Finding]:
    """Yield every broken rule of otherwise valid settings."""
    yield from _server(settings)
    yield from _jwt(settings)
    yield from _vault(settings)
    yield from _providers(settings)
    for name, agent in settings.agents.items():
        yield from _agent(settings, name, agent)
    for name, spec in settings.mcp.servers.items():
        yield from _json_spec(name, spec)


def _server(settings: Sections) -> Iterator[Finding]:
    server = settings.server
    certificate, key = ("server", "tls_cert_path"), ("server", "tls_key_path")
    missing = [".".join(path) for path in (certificate, key) if getattr(server, path[-1]) is None]
    if server.require_tls and missing:
        text = f"TLS is required, but there is no {' and no '.join(missing)}"
        yield Finding(("server", "require_tls"), text, (certificate, key))
    elif len(missing) == 1:
        given, absent = (key, certificate) if server.tls_cert_path is None else (certificate, key)
        yield Finding(absent, f"is missing: TLS needs it beside {'.'.join(given)}", (given,))
    if settings.auth.mode == "off" and not server.is_loopback:
        text = (
            f"{server.host!r} can be reached from other machines while auth.mode is off: "
            "set auth.mode: jwt or server.host: 127.0.0.1"
        )
        yield Finding(("server", "host"), text, (("auth", "mode"),))


def _jwt(settings: Sections) -> Iterator[Finding]:
    if settings.auth.mode == "off":
        return
    jwt, section = settings.auth.jwt, ("auth", "jwt")
    secret, key, jwks = (*section, "secret"), (*section, "public_key_path"), (*section, "jwks_url")
    if jwt.algorithms[0] != "HS256":
        yield from _public_keys(jwt)
        return
    if jwt.secret is None:
        yield Finding(secret, "HS256 needs a secret, such as secret://env/AIRBOSS_JWT_SECRET")
    for path in (key, jwks):
        if getattr(jwt, path[-1]) is not None:
            text = "is for public keys, which HS256 has none of: choose RS256, ES256 or EdDSA in auth.jwt.algorithms"
            yield Finding(path, text, ((*section, "algorithms"),))


def _public_keys(jwt: JwtSettings) -> Iterator[Finding]:
    section = ("auth", "jwt")
    key, jwks, issuer = (*section, "public_key_path"), (*section, "jwks_url"), (*section, "issuer")
    family = jwt.algorithms[0]
    if jwt.public_key_path is not None and jwt.jwks_url is not None:
        yield Finding(jwks, "there is auth.jwt.public_key_path already: keep one of them", (key,))
    if jwt.jwks_url is not None:
        if not is_safe(jwt.jwks_url):
            yield Finding(jwks, _PLAIN_HTTP)
    elif jwt.public_key_path is None:
        if not is_issuer_url(jwt.issuer):
            text = (
                f"{family} needs auth.jwt.public_key_path, auth.jwt.jwks_url, or an auth.jwt.issuer that is an"
                " https address, where keys are found by OpenID Connect discovery"
            )
            yield Finding((*section, "algorithms"), text, (key, jwks, issuer))
        elif not is_safe(jwt.issuer):
            yield Finding(issuer, _PLAIN_HTTP)


def _vault(settings: Sections) -> Iterator[Finding]:
    vault, section = settings.secrets.vault, ("secrets", "vault")
    address, token = (*section, "address"), (*section, "token")
    for path in _vault_references(settings.model_dump(mode="json"), ()):
        if path[:2] == section:
            yield Finding(path, "what opens Vault cannot lie in Vault: use secret://env/… or secret://file/…")
        elif vault.address is None:
            yield Finding(path, "a secret in Vault needs secrets.vault.address", (address,))
    if vault.address is None:
        return
    if not is_safe(vault.address):
        text = (
            "Vault is read by https only, but on this machine: whoever is on the way could read the secrets"
        )
        yield Finding(address, text)
    has_role = vault.role_id is not None and vault.secret_id is not None
    if vault.token is None and not has_role:
        text = "Vault needs secrets.vault.token, or both of secrets.vault.role_id and secrets.vault.secret_id"
        yield Finding(address, text, (token, (*section, "role_id"), (*section, "secret_id")))


def _vault_references(value: object, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _vault_references(inner, (*path, str(name)))
    elif isinstance(value, str) and value.startswith("secret://vault/"):
        yield path


def _providers(settings: Sections) -> Iterator[Finding]:
    for name, provider in settings.providers.items():
        section = ("providers", name)
        if provider.kind == "openai_compatible" and provider.base_url is None:
            yield Finding((*section, "base_url"), _NO_ADDRESS, ((*section, "kind"),))
        others = [other for other in settings.providers if other != name]
        yield from _unknown(
            (*section, "fallback"), provider.fallback, "another provider", ("providers",), others
        )
        breaker = provider.breaker
        if breaker.minimum_calls > breaker.window_calls:
            path, window = (*section, "breaker", "minimum_calls"), (*section, "breaker", "window_calls")
            text = f"{breaker.minimum_calls} calls never fit a window of {breaker.window_calls}: lower it or raise "
            yield Finding(path, text + ".".join(window), (window,))


def _agent(settings: Sections, name: str, agent: AgentSettings) -> Iterator[Finding]:
    section = ("agents", name)
    servers = settings.mcp.servers
    if agent.provider not in settings.providers:
        text = (
            f"{agent.provider!r} is not a provider; {suggestion(agent.provider, sorted(settings.providers))}"
        )
        yield Finding((*section, "provider"), text, (("providers", agent.provider),))
    yield from _unknown((*section, "handoffs"), agent.handoffs, "an agent", ("agents",), settings.agents)
    yield from _unknown(
        (*section, "mcp_servers"), agent.mcp_servers, "an MCP server", ("mcp", "servers"), servers
    )
    if _WRITING_TOOL in agent.tools and not settings.tools.files.writable:
        text = f"{_WRITING_TOOL} changes files: set tools.files.writable: true, or leave the tool out"
        at = agent.tools.index(_WRITING_TOOL)
        yield Finding((*section, "tools", at), text, (("tools", "files", "writable"),))
    yield from _model(settings, name, agent)


def _model(settings: Sections, name: str, agent: AgentSettings) -> Iterator[Finding]:
    path, depends_on = ("agents", name, "model"), (("agents", name, "provider"),)
    provider = settings.providers.get(agent.provider)
    is_given = "model" in agent.model_fields_set
    if provider is None:
        return
    if not is_given and provider.kind not in _VENDORS_OF_DEFAULT_MODEL:
        text = f"name the model: {agent.model} is OpenAI's, and provider {agent.provider} is of kind {provider.kind}"
        yield Finding(path, text, depends_on)
    elif is_given and provider.kind == "offline" and agent.model not in OFFLINE_MODELS:
        text = f"{agent.model!r} is not a model of kind offline; {suggestion(agent.model, OFFLINE_MODELS)}"
        yield Finding(path, text, depends_on)


def _unknown(
    path: KeyPath, names: Iterable[str], what: str, home: KeyPath, known: Iterable[str]
) -> Iterator[Finding]:
    there = sorted(known)
    for at, name in enumerate(names):
        if name not in there:
            yield Finding((*path, at), f"{name!r} is not {what}; {suggestion(name, there)}", ((*home, name),))


def _json_spec(name: str, spec: JsonSpec) -> Iterator[Finding]:
    path = ("mcp", "servers", name)
    if problem := name_problem(name):
        yield Finding(path, problem)
    try:
        parse_json_spec(spec, is_reference, REFERENCE_FORMS)
    except JsonSpecError as error:
        for each in error.problems:
            yield Finding((*path, *each.path), each.text)
