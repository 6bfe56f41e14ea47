"""From settings to what the parts are handed: small frozen policies, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airboss.config.agents import AgentSettings
from airboss.config.findings import refuse
from airboss.config.fingerprint import settings_hash
from airboss.config.mcp import McpSettings
from airboss.config.not_built import not_built
from airboss.config.providers import ProviderSettings
from airboss.config.sections import Sections
from airboss.config.server import ServerSettings
from airboss.config.settings import AppSettings, leaves
from airboss.domain.agents import AgentSpec
from airboss.domain.json_spec import parse_json_spec
from airboss.domain.mcp_policies import ServersPolicy
from airboss.domain.policies import (
    EdgePolicy,
    EventPolicy,
    FilesPolicy,
    JwtPolicy,
    QueuePolicy,
    RateKind,
    RatePolicy,
    RetentionPolicy,
    VaultPolicy,
    WebPolicy,
)
from airboss.domain.provider_policies import BreakerPolicy, CallLimitPolicy, RetryPolicy, TimeoutPolicy
from airboss.domain.providers import ProviderApi, ProviderKind, ProviderSpec
from airboss.security.secrets import REFERENCE_FORMS, SecretReference, is_reference

_DATABASE_NAME = "airboss.db"
_SQLITE, _MEMORY = "sqlite:///", "memory://"
_USUAL_RATES = {RateKind.SPAWN: "600/minute", RateKind.READ: "6000/minute"}
_OPENAI_KEY, _OPENAI_BASE_URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"

OFFLINE_AGENT = AgentSettings(
    provider="offline",
    model="planner",
    instructions="List and read the files, and quote what answers the question.",
    tools=("files.list", "files.read"),
)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the certificate with its chain, and its private key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ListenPolicy:
    """Where to listen."""

    host: str
    port: int
    shutdown_grace_seconds: float
    forwarded_allow_ips: tuple[str, ...]
    tls: TlsFiles | None


@dataclass(frozen=True, slots=True)
class LogPolicy:
    log_format: str
    log_level: str


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """Everything a runtime is built from; `database` None keeps all in memory, `auth` None trusts every caller."""

    listen: ListenPolicy
    edge: EdgePolicy
    auth: JwtPolicy | None
    rates: RatePolicy
    data_folder: Path
    database: Path | None
    queue: QueuePolicy
    events: EventPolicy
    retention: RetentionPolicy
    files: FilesPolicy
    web: WebPolicy
    mcp: ServersPolicy
    agents: tuple[AgentSpec, ...]
    providers: tuple[ProviderSpec, ...]
    vault: VaultPolicy | None
    logs: LogPolicy
    settings_hash: str


def to_runtime_config(settings: AppSettings, environ: Mapping[str, str], cwd: Path) -> RuntimeConfig:
    """Translate the merged settings once; paths become absolute against `cwd`.

    Raises `RefusedSettingsError` for settings this version knows but does not serve yet.
    """
    refuse(not_built(settings))
    server, limits, events = settings.server, settings.limits, settings.events
    return RuntimeConfig(
        listen=ListenPolicy(
            server.host,
            server.port,
            server.shutdown_grace_seconds,
            server.forwarded_allow_ips,
            _tls(server, cwd),
        ),
        edge=_edge(server),
        auth=jwt_policy(settings, cwd) if settings.auth.mode == "jwt" else None,
        rates=_rates(settings),
        data_folder=data_folder(settings, cwd),
        database=_database(settings, cwd),
        queue=QueuePolicy(limits.max_concurrent_jobs, limits.queue_capacity),
        events=EventPolicy(events.subscriber_buffer, events.heartbeat_seconds, events.max_bytes),
        retention=RetentionPolicy(
            jobs_seconds=settings.retention.jobs_seconds, events_seconds=events.retention_seconds
        ),
        files=files_policy(settings, cwd),
        web=WebPolicy(
            allowed_domains=settings.tools.web.allowed_domains,
            allow_http=settings.tools.web.allow_http,
            timeout_seconds=settings.tools.web.timeout_seconds,
            max_bytes=settings.tools.web.max_bytes,
        ),
        mcp=_mcp(settings.mcp),
        agents=agent_specs(settings, environ),
        providers=tuple(_provider(name, provider, environ) for name, provider in settings.providers.items()),
        vault=vault_policy(settings),
        logs=LogPolicy(settings.telemetry.log_format, settings.telemetry.log_level),
        settings_hash=settings_hash(settings),
    )


def files_policy(settings: Sections, cwd: Path) -> FilesPolicy:
    """Return what the file tools may touch."""
    files = settings.tools.files
    return FilesPolicy(str(cwd / files.root), files.max_bytes, files.writable)


def data_folder(settings: Sections, cwd: Path) -> Path:
    """Return the folder of the server's own data."""
    database = _database(settings, cwd)
    return cwd / settings.server.data_dir if database is None else database.parent


def agent_specs(settings: Sections, environ: Mapping[str, str]) -> tuple[AgentSpec, ...]:
    """Return the agents of the settings, or the built-in ones where there are none."""
    return tuple(_agent(name, agent) for name, agent in _agents(settings, environ).items())


def jwt_policy(settings: Sections, cwd: Path) -> JwtPolicy:
    """Return how tokens would be checked, whether or not they are."""
    jwt = settings.auth.jwt
    return JwtPolicy(
        algorithm=jwt.algorithms[0],
        issuer=jwt.issuer,
        audience=jwt.audience,
        secret=None if jwt.secret is None else str(jwt.secret),
        public_key_path=None if jwt.public_key_path is None else cwd / jwt.public_key_path,
        jwks_url=jwt.jwks_url,
    )


def vault_policy(settings: Sections) -> VaultPolicy | None:
    vault = settings.secrets.vault
    if vault.address is None:
        return None
    references = (
        SecretReference.parse(value)
        for _, value in leaves(settings)
        if isinstance(value, str) and is_reference(value)
    )
    return VaultPolicy(
        address=vault.address.rstrip("/"),
        token=None if vault.token is None else str(vault.token),
        role_id=str(vault.role_id),
        secret_id=str(vault.secret_id),
        locations=frozenset(each.location for each in references if each.store == "vault"),
    )


def _edge(server: ServerSettings) -> EdgePolicy:
    return EdgePolicy(
        max_body_bytes=server.max_body_bytes,
        receive_timeout_seconds=server.receive_timeout_seconds,
        max_connections=server.max_connections,
        max_subscribers_per_caller=server.max_subscribers_per_caller,
        allowed_hosts=server.allowed_hosts,
        cors_origins=server.cors_origins,
        metrics_public=server.metrics_public,
    )


def _tls(server: ServerSettings, cwd: Path) -> TlsFiles | None:
    if server.tls_cert_path is None or server.tls_key_path is None:
        return None
    return TlsFiles(cwd / server.tls_cert_path, cwd / server.tls_key_path)


def _rates(settings: AppSettings) -> RatePolicy:
    limits = settings.limits
    # Without authentication all callers may be one person with many tabs: nobody is slowed who did not ask for it.
    usual = {} if settings.auth.mode == "off" else _USUAL_RATES
    asked = {RateKind.SPAWN: limits.spawn_rate, RateKind.READ: limits.read_rate}
    rates = {kind: rate or usual[kind] for kind, rate in asked.items() if rate or kind in usual}
    return RatePolicy(rates, limits.store_url if rates else None, limits.store_failure == "open")


def _database(settings: Sections, cwd: Path) -> Path | None:
    url = settings.storage.url
    if url is None:
        return cwd / settings.server.data_dir / _DATABASE_NAME
    if url == _MEMORY:
        return None
    return cwd / url.removeprefix(_SQLITE)


def _mcp(mcp: McpSettings) -> ServersPolicy:
    return ServersPolicy(
        servers={
            name: parse_json_spec(spec, is_reference, REFERENCE_FORMS) for name, spec in mcp.servers.items()
        },
        allowed_commands=mcp.allowed_commands,
        allowed_images=mcp.allowed_images,
        allow_private_endpoints=mcp.allow_private_endpoints,
    )


def _agents(settings: Sections, environ: Mapping[str, str]) -> dict[str, AgentSettings]:
    if settings.agents:
        return dict(settings.agents)
    built_in = {"offline": OFFLINE_AGENT}
    if environ.get(_OPENAI_KEY):
        built_in["assistant"] = AgentSettings()
    return built_in


def _agent(name: str, agent: AgentSettings) -> AgentSpec:
    return AgentSpec(
        name=name,
        provider=agent.provider,
        model=agent.model,
        instructions=agent.instructions,
        tools=agent.tools,
        mcp_servers=agent.mcp_servers,
        handoffs=agent.handoffs,
        timeout_seconds=agent.timeout_seconds,
        max_turns=agent.max_turns,
        max_concurrent_jobs=agent.max_concurrent_jobs,
        max_attempts=agent.max_attempts,
        retry_on=agent.retry_on,
        retry_delay_seconds=agent.retry_delay_seconds,
        on_interrupt=agent.on_interrupt,
    )


def _provider(name: str, provider: ProviderSettings, environ: Mapping[str, str]) -> ProviderSpec:
    base_url = provider.base_url
    if base_url is None and provider.kind == "openai":
        base_url = environ.get(_OPENAI_BASE_URL) or None
    return ProviderSpec(
        name=name,
        kind=ProviderKind(provider.kind),
        base_url=base_url,
        api_key=None if provider.api_key is None else str(provider.api_key),
        api=ProviderApi(provider.api),
        limits=CallLimitPolicy(provider.max_concurrent_calls, provider.requests_per_minute),
        timeouts=TimeoutPolicy(**provider.timeouts.model_dump()),
        retry=RetryPolicy(**provider.retry.model_dump()),
        breaker=BreakerPolicy(**provider.breaker.model_dump()),
        max_answer_bytes=provider.max_answer_bytes,
        models_ttl_seconds=provider.models_ttl_seconds,
        fallback=provider.fallback,
        readiness_probe=provider.readiness_probe,
    )
