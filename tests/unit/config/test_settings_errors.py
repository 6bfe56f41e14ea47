from collections.abc import Callable
from pathlib import Path

import pytest

from airboss.config import LoadedSettings, SettingsError, load_settings

Load = Callable[..., LoadedSettings]
Refusal = Callable[..., list[str]]

REFERENCE = (
    "must be a reference to the secret, not the secret: "
    "secret://env/NAME, secret://file/PATH or secret://vault/MOUNT/PATH#KEY"
)

PLAIN_HTTP = (
    "keys are fetched by https only, but from this machine: whoever is on the way could put in their own"
)


def test_everything_wrong_is_told_at_once_in_the_order_of_the_layers(refusal: Refusal) -> None:
    text = "server:\n  port: 1\n  prot: 2\nlimits:\n  queue_capacity: many\n"
    environ = {"AIRBOSS_LIMITS__MAX_CONCURRENT_JOBS": "0", "AIRBOSS_SERVER__PROT": "1"}
    assert refusal(text, environ, {"server.port": 70000}) == [
        "airboss.yaml:3: server.prot is not a setting; did you mean server.port?",
        "airboss.yaml:5: limits.queue_capacity: must be a whole number of 1 or more, got 'many'",
        "AIRBOSS_LIMITS__MAX_CONCURRENT_JOBS: limits.max_concurrent_jobs: must be a whole number of 1 or more, got '0'",
        "AIRBOSS_SERVER__PROT is not a setting; did you mean AIRBOSS_SERVER__PORT?",
        "--port: server.port: must be a port from 0 to 65535 (0 picks a free one), got 70000",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "server: {port: true}",
            "server.port: must be a port from 0 to 65535 (0 picks a free one), got true",
        ),
        ("server: {port: -1}", "server.port: must be a port from 0 to 65535 (0 picks a free one), got -1"),
        ("server: 5", "server: must be a mapping, got a number"),
        ("server: {data_dir: ''}", "server.data_dir: must be a path, got ''"),
        ("server: {host: ''}", "server.host: must be text that is not empty, got ''"),
        ("server: {require_tls: maybe}", "server.require_tls: must be true or false, got 'maybe'"),
        (
            "server: {receive_timeout_seconds: 0}",
            "server.receive_timeout_seconds: must be a number of seconds greater than 0, got 0",
        ),
        (
            "server: {receive_timeout_seconds: .nan}",
            "server.receive_timeout_seconds: must be a number of seconds greater than 0, got nan",
        ),
        (
            "server: {cors_origins: [https://a.example, b]}",
            "server.cors_origins[1]: must be an origin such as https://app.example, or *, got 'b'",
        ),
        (
            "server: {forwarded_allow_ips: [proxy]}",
            "server.forwarded_allow_ips[0]: must be an IP address or a network such as 10.0.0.0/8, got 'proxy'",
        ),
        (
            "limits: {spawn_rate: 5/day}",
            "limits.spawn_rate: must be a rate such as 600/minute (per second, minute or hour) or null, got '5/day'",
        ),
        ("auth: {mode: true}", "auth.mode: must be one of off, jwt, got true"),
        (
            "auth: {jwt: {algorithms: [HS256, RS256]}}",
            (
                "auth.jwt.algorithms: must be a list with one family of algorithms: HS256, RS256, ES256 or EdDSA, "
                "got [HS256, RS256]"
            ),
        ),
        (
            "providers: {openai: {breaker: {failure_rate: 1.5}}}",
            "providers.openai.breaker.failure_rate: must be a share from 0 to 1, got 1.5",
        ),
        (
            "providers: {openai: {retry: {max_attempts: 0}}}",
            "providers.openai.retry.max_attempts: must be a whole number of 1 or more, got 0",
        ),
        (
            "providers: {local: {}}",
            "providers.local.kind: is missing, must be one of openai, openai_compatible, anthropic, ollama, offline",
        ),
        (
            "agents: {Bad Name: {}}",
            "agents.Bad Name: a name must match [a-z0-9][a-z0-9_-]{0,62}",
        ),
        (
            "agents: {a: {retry_on: [quux]}}",
            (
                "agents.a.retry_on[0]: must be an error code that jobs fail with, such as provider_unavailable, "
                "got 'quux'"
            ),
        ),
        ("agents: {a: {model: 2026-01-01}}", "agents.a.model: must be text that is not empty, got a date"),
        (
            "storage: {url: 'mysql://root:hunter2@db/x'}",
            "storage.url: must be sqlite:///FILE, memory:// or postgresql://USER:PASSWORD@HOST/DATABASE or null",
        ),
    ],
)
def test_a_wrong_value_names_its_place_and_what_was_expected(refusal: Refusal, text: str, line: str) -> None:
    assert refusal(text) == [f"airboss.yaml:1: {line}"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("servr: {port: 1}", "servr is not a setting; did you mean server?"),
        ("queue_capacity: 1", "queue_capacity is not a setting; did you mean limits.queue_capacity?"),
        ("server: {url: x}", "server.url is not a setting; did you mean storage.url?"),
        ("agents: {a: {modle: x}}", "agents.a.modle is not a setting; did you mean agents.a.model?"),
        (
            "providers: {openai: {retry: {attempts: 1}}}",
            "providers.openai.retry.attempts is not a setting; did you mean providers.openai.retry.max_attempts?",
        ),
        ("server.port: 1", "server.port is not one key; nest it, as in `server: {port: …}`"),
        ("jwt_secret: x", "jwt_secret is not a setting; did you mean auth.jwt.secret?"),
        ("api_key: x", "api_key is not a setting; did you mean providers.NAME.api_key?"),
        ("auth: {secret: x}", "auth.secret is not a setting; did you mean auth.jwt.secret?"),
        ("telemetry: {level: x}", "telemetry.level is not a setting; did you mean telemetry.log_level?"),
        (
            "providers: {a: {kind: ollama, url: x}}",
            "providers.a.url is not a setting; did you mean providers.a.base_url?",
        ),
    ],
)
def test_an_unknown_key_names_the_nearest(refusal: Refusal, text: str, meant: str) -> None:
    assert refusal(text) == [f"airboss.yaml:1: {meant}"]


_SECTIONS = "the sections are server, storage, limits, auth, providers, agents, tools, mcp, secrets, events, retention, telemetry"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("database: x", f"database is not a setting; {_SECTIONS}"),
        ("logging: {level: x}", f"logging is not a setting; {_SECTIONS}"),
        (
            "limits: {foo: 1}",
            "limits.foo is not a setting; in limits there are max_concurrent_jobs, queue_capacity, spawn_rate, read_rate, store_url, store_failure",
        ),
        ("tools: {shell: {}}", "tools.shell is not a setting; in tools there are files, web"),
        ("storage: {path: x}", "storage.path is not a setting; in storage there are url, replica_url"),
        (
            "server: {address: 0.0.0.0}",
            (
                "server.address is not a setting; in server there are host, port, data_dir, require_tls, "
                "tls_cert_path, tls_key_path, max_body_bytes, receive_timeout_seconds, max_connections, "
                "max_subscribers_per_caller, shutdown_grace_seconds, forwarded_allow_ips, allowed_hosts, cors_origins, "
                "metrics_public"
            ),
        ),
    ],
)
def test_a_key_that_is_like_no_other_is_told_what_there_is(refusal: Refusal, text: str, told: str) -> None:
    assert refusal(text) == [f"airboss.yaml:1: {told}"]


def test_a_variable_that_is_like_no_other_is_told_how_they_are_named(refusal: Refusal) -> None:
    assert refusal(None, {"AIRBOSS_FOO": "x"}) == [
        (
            "AIRBOSS_FOO is not a setting; settings are named AIRBOSS_SECTION__KEY, such as AIRBOSS_SERVER__PORT: "
            "unset it, or see 'airboss config schema'"
        )
    ]


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("AIRBOSS_SERVR__PORT", "AIRBOSS_SERVER__PORT"),
        ("AIRBOSS_PORT", "AIRBOSS_SERVER__PORT"),
        ("AIRBOSS_server__port", "AIRBOSS_SERVER__PORT"),
        ("AIRBOSS_SERVR__PROT", "AIRBOSS_SERVER__PORT"),
        ("AIRBOSS_AGENT__A__MODEL", "AIRBOSS_AGENTS__A__MODEL"),
        ("AIRBOSS_SERVER__PORT__X", "AIRBOSS_SERVER__PORT"),
        ("AIRBOSS_PROVIDERS__LOCAL__APIKEY", "AIRBOSS_PROVIDERS__LOCAL__API_KEY"),
        ("AIRBOSS_SERVER__CORS_ORIGINS__0", "AIRBOSS_SERVER__CORS_ORIGINS"),
    ],
)
def test_an_unknown_variable_names_the_nearest(refusal: Refusal, variable: str, meant: str) -> None:
    assert refusal(None, {variable: "hunter2"}) == [f"{variable} is not a setting; did you mean {meant}?"]


def test_variables_that_are_not_settings_are_left_alone(load: Load, refusal: Refusal) -> None:
    client = {"AIRBOSS_CONFIG": "", "AIRBOSS_URL": "http://x", "AIRBOSS_TOKEN": "t", "AIRBOSSY": "x"}
    load(None, {**client, "AIRBOSS_JWT_SECRET": "x"})
    text = "auth: {jwt: {secret: secret://env/AIRBOSS_OTHER}}"
    load(text, {"AIRBOSS_OTHER": "x"})
    assert refusal(text, {"AIRBOSS_JWT_SECRET": "x"}) == [
        "AIRBOSS_JWT_SECRET is not a setting; did you mean AIRBOSS_AUTH__JWT__SECRET?"
    ]
    load("mcp: {servers: {a: {command: a, env: {K: secret://env/AIRBOSS_K}}}}", {"AIRBOSS_K": "x"})


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "server: {host: 0.0.0.0}",
            [
                (
                    "airboss.yaml:1: server.host: '0.0.0.0' can be reached from other machines while auth.mode is off: "
                    "set auth.mode: jwt or server.host: 127.0.0.1"
                )
            ],
        ),
        (
            "server: {require_tls: true, tls_key_path: key.pem}",
            ["airboss.yaml:1: server.require_tls: TLS is required, but there is no server.tls_cert_path"],
        ),
        (
            "server: {tls_cert_path: cert.pem}",
            ["airboss.yaml:1: server.tls_key_path: is missing: TLS needs it beside server.tls_cert_path"],
        ),
        (
            "auth: {jwt: {secret: 'secret://vault/kv/a#k'}}",
            ["airboss.yaml:1: auth.jwt.secret: a secret in Vault needs secrets.vault.address"],
        ),
        (
            "secrets: {vault: {address: 'https://vault.example', token: 'secret://vault/kv/a#k'}}",
            [
                (
                    "airboss.yaml:1: secrets.vault.token: what opens Vault cannot lie in Vault: "
                    "use secret://env/… or secret://file/…"
                )
            ],
        ),
        (
            "secrets: {vault: {address: 'http://vault.example', token: 'secret://env/T'}}",
            [
                (
                    "airboss.yaml:1: secrets.vault.address: Vault is read by https only, but on this machine: "
                    "whoever is on the way could read the secrets"
                )
            ],
        ),
        (
            "secrets: {vault: {address: 'http://127.0.0.1:8200', role_id: 'secret://env/R'}}",
            [
                (
                    "airboss.yaml:1: secrets.vault.address: Vault needs secrets.vault.token, "
                    "or both of secrets.vault.role_id and secrets.vault.secret_id"
                )
            ],
        ),
        (
            "auth: {mode: jwt, jwt: {secret: null}}",
            [
                "airboss.yaml:1: auth.jwt.secret: HS256 needs a secret, such as secret://env/AIRBOSS_JWT_SECRET"
            ],
        ),
        (
            "auth: {mode: jwt, jwt: {algorithms: [EdDSA]}}",
            [
                (
                    "airboss.yaml:1: auth.jwt.algorithms: EdDSA needs auth.jwt.public_key_path, auth.jwt.jwks_url, or "
                    "an auth.jwt.issuer that is an https address, where keys are found by OpenID Connect discovery"
                )
            ],
        ),
        (
            "auth: {mode: jwt, jwt: {algorithms: [RS256], issuer: 'http://id.example'}}",
            [f"airboss.yaml:1: auth.jwt.issuer: {PLAIN_HTTP}"],
        ),
        (
            "auth: {mode: jwt, jwt: {algorithms: [RS256], jwks_url: 'http://id.example/keys'}}",
            [f"airboss.yaml:1: auth.jwt.jwks_url: {PLAIN_HTTP}"],
        ),
        (
            "auth: {mode: jwt, jwt: {algorithms: [RS256], jwks_url: 'https://a.example', public_key_path: k.pem}}",
            [
                "airboss.yaml:1: auth.jwt.jwks_url: there is auth.jwt.public_key_path already: keep one of them"
            ],
        ),
        (
            "auth: {mode: jwt, jwt: {public_key_path: key.pem}}",
            [
                (
                    "airboss.yaml:1: auth.jwt.public_key_path: is for public keys, which HS256 has none of: "
                    "choose RS256, ES256 or EdDSA in auth.jwt.algorithms"
                )
            ],
        ),
        (
            "agents:\n  a:\n    provider: nope\n    handoffs: [b]\n    mcp_servers: [c]\n",
            [
                "airboss.yaml:3: agents.a.provider: 'nope' is not a provider; there are: offline, openai",
                "airboss.yaml:4: agents.a.handoffs[0]: 'b' is not an agent; there are: a",
                "airboss.yaml:5: agents.a.mcp_servers[0]: 'c' is not an MCP server; there are: none",
            ],
        ),
        (
            "providers:\n  openai:\n    fallback: [openai]\n",
            [
                "airboss.yaml:3: providers.openai.fallback[0]: 'openai' is not another provider; there are: offline"
            ],
        ),
        (
            "providers:\n  openai:\n    breaker: {window_calls: 2}\n",
            [
                (
                    "airboss.yaml:3: providers.openai.breaker.minimum_calls: 5 calls never fit a window of 2: "
                    "lower it or raise providers.openai.breaker.window_calls"
                )
            ],
        ),
        (
            "providers: {local: {kind: ollama}}\nagents: {a: {provider: local}}",
            [
                (
                    "airboss.yaml:2: agents.a.model: name the model: gpt-5-mini is OpenAI's, "
                    "and provider local is of kind ollama"
                )
            ],
        ),
        (
            "agents:\n  a: {tools: [files.list, files.write]}",
            [
                (
                    "airboss.yaml:2: agents.a.tools[1]: files.write changes files: "
                    "set tools.files.writable: true, or leave the tool out"
                )
            ],
        ),
        (
            "mcp: {servers: {a: {}, b: {command: x, image: y}}}",
            [
                "airboss.yaml:1: mcp.servers.a: must have exactly one of endpoint_url, command and image",
                "airboss.yaml:1: mcp.servers.b: must have exactly one of endpoint_url, command and image",
            ],
        ),
        (
            "mcp:\n  servers:\n    files: {command: x}\n    b: {command: x, arg: []}\n    c: {image: -v}\n",
            [
                "airboss.yaml:3: mcp.servers.files: files is taken by the built-in tools files.*; choose another name",
                "airboss.yaml:4: mcp.servers.b.arg: is not known here; did you mean 'args'?",
                (
                    "airboss.yaml:5: mcp.servers.c.image: must be the name of an image, such as "
                    "registry.example/name:tag"
                ),
            ],
        ),
    ],
)
def test_settings_that_do_not_go_together(refusal: Refusal, text: str, lines: list[str]) -> None:
    assert refusal(text) == lines


def test_rules_between_settings_are_checked_besides_invalid_values(refusal: Refusal) -> None:
    text = "server: {host: 0.0.0.0, port: many}\nproviders: {local: {}}\nagents: {a: {provider: local, handoffs: [b]}}"
    assert refusal(text) == [
        (
            "airboss.yaml:1: server.host: '0.0.0.0' can be reached from other machines while auth.mode is off: "
            "set auth.mode: jwt or server.host: 127.0.0.1"
        ),
        "airboss.yaml:1: server.port: must be a port from 0 to 65535 (0 picks a free one), got 'many'",
        (
            "airboss.yaml:2: providers.local.kind: is missing, must be one of openai, openai_compatible, anthropic, "
            "ollama, offline"
        ),
        "airboss.yaml:3: agents.a.handoffs[0]: 'b' is not an agent; there are: a",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "agents: {a: {provider: local}}\nprovidrs: {local: {kind: ollama}}",
            "2: providrs is not a setting; did you mean providers?",
        ),
        (
            "providers: {local: {knd: ollama}}",
            "1: providers.local.knd is not a setting; did you mean providers.local.kind?",
        ),
        (
            "providers: {local: {kind: ollama}}\nagents: {a: {provider: local, modle: x}}",
            "2: agents.a.modle is not a setting; did you mean agents.a.model?",
        ),
        (
            "providers: {local: {kind: ollama}}\nagents: {a: {provider: local, model: !x y}}",
            "2: agents.a.model: is not a value that YAML can read; quote it, and ! at its start above all",
        ),
        (
            "providers: {local: {kind: !x y}}\nagents: {a: {provider: local}}",
            "1: providers.local.kind: is not a value that YAML can read; quote it, and ! at its start above all",
        ),
        (
            "agents: {a: {handoffs: [b]}}\nproviders: {}\nagents: {c: {handoffs: [b]}}",
            "3: agents: stands twice, first in line 1",
        ),
    ],
)
def test_what_follows_from_another_mistake_is_not_told(refusal: Refusal, text: str, line: str) -> None:
    assert refusal(text) == [f"airboss.yaml:{line}"]


def test_a_variable_that_sets_nothing_hides_what_it_was_meant_to_set(refusal: Refusal) -> None:
    environ = {"AIRBOSS_PROVIDERS__LOCAL__KND": "ollama"}
    assert refusal("providers: {local: {base_url: 'http://h'}}", environ) == [
        "AIRBOSS_PROVIDERS__LOCAL__KND is not a setting; did you mean AIRBOSS_PROVIDERS__LOCAL__KIND?"
    ]


def test_the_rest_of_a_section_with_a_mistake_is_checked(refusal: Refusal) -> None:
    text = "providers:\n  local:\n    kind: ollma\n    fallback: [ghost]\n    breaker: {window_calls: 2, failure_rate: 9}\n"
    assert [line.partition(": ")[0] for line in refusal(text)] == [
        "airboss.yaml:3",
        "airboss.yaml:4",
        "airboss.yaml:5",
        "airboss.yaml:5",
    ]


def test_a_provider_with_a_dotted_name_ends_in_a_refusal(refusal: Refusal) -> None:
    assert refusal("providers: {a.b: {}}") == [
        "airboss.yaml:1: providers.a.b: a name must match [a-z0-9][a-z0-9_-]{0,62}",
        "airboss.yaml:1: providers.a.b.kind: is missing, must be one of openai, openai_compatible, anthropic, ollama, offline",
    ]


def test_the_variable_that_opened_the_server_is_named(refusal: Refusal) -> None:
    lines = refusal("server: {host: 127.0.0.1}", {"AIRBOSS_SERVER__HOST": "::"})
    assert lines == [
        (
            "AIRBOSS_SERVER__HOST: server.host: '::' can be reached from other machines while auth.mode is off: "
            "set auth.mode: jwt or server.host: 127.0.0.1"
        )
    ]


@pytest.mark.parametrize("host", ["localhost", "::1", "[::1]", "127.8.9.10"])
def test_loopback_needs_no_authentication(load: Load, host: str) -> None:
    assert load(None, None, {"server.host": host}).settings.server.is_loopback


def test_yaml_false_is_off(load: Load) -> None:
    assert load("auth: {mode: off}").settings.auth.mode == "off"
    assert load("auth: {mode: jwt}").settings.auth.mode == "jwt"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("auth: {jwt: {secret: hunter2}}", f"auth.jwt.secret: {REFERENCE} or null"),
        ("providers: {openai: {api_key: hunter2}}", f"providers.openai.api_key: {REFERENCE} or null"),
        ("providers: {openai: hunter2}", "providers.openai: must be a mapping, got text"),
        ("secrets: {vault: {token: hunter2}}", f"secrets.vault.token: {REFERENCE} or null"),
        ("secrets: {vault: {role_id: [hunter2]}}", f"secrets.vault.role_id: {REFERENCE} or null"),
        (
            "mcp: {servers: {a: {command: a, env: {API_KEY: hunter2}}}}",
            f"mcp.servers.a.env.API_KEY: {REFERENCE}",
        ),
        (
            "mcp: {servers: {a: {endpoint_url: 'http://a', headers: {K: Bearer hunter2}}}}",
            f"mcp.servers.a.headers.K: {REFERENCE}",
        ),
        (
            "mcp: {servers: {a: {command: a, env: [hunter2]}}}",
            "mcp.servers.a.env: must be a mapping of names to texts, secrets as references",
        ),
        (
            "limits: {store_url: 'http://u:hunter2@h'}",
            "limits.store_url: must be redis://HOST, rediss://HOST or a secret://… reference to such an address or null",
        ),
        (
            "limits: {store_url: 'redis://:hunter2@h:port'}",
            "limits.store_url: must be redis://HOST, rediss://HOST or a secret://… reference to such an address or null",
        ),
        (
            "providers: {openai: {base_url: 'https://u:hunter2@h'}}",
            "providers.openai.base_url: must be an http:// or https:// URL without user and password or null",
        ),
        (
            "server: {cors_origins: ['https://u:hunter2@h/x']}",
            "server.cors_origins[0]: must be an origin such as https://app.example, or *, got 'https://u:***@h/x'",
        ),
    ],
)
def test_a_secret_is_not_repeated(refusal: Refusal, text: str, line: str) -> None:
    assert refusal(text) == [f"airboss.yaml:1: {line}"]


@pytest.mark.parametrize(
    "variable",
    [
        "AIRBOSS_AUTH__JWT__SECRET",
        "AIRBOSS_PROVIDERS__OPENAI",
        "AIRBOSS_PROVIDERS__OPENAI__API_KEY",
        "AIRBOSS_PROVIDERS",
        "AIRBOSS_SECRETS__VAULT__SECRET_ID",
        "AIRBOSS_MCP__SERVERS__A__HEADERS",
        "AIRBOSS_MCP__SERVERS__A__HEADERS__AUTHORIZATION",
        "AIRBOSS_STORAGE__URL",
        "AIRBOSS_EVENTS__RELAY_URL",
        "AIRBOSS_JWT_SECRT",
    ],
)
def test_no_variable_leaks(refusal: Refusal, variable: str) -> None:
    assert "hunter2" not in "\n".join(refusal(None, {variable: "hunter2"}))


@pytest.mark.parametrize(
    "value", ["*hunter2", "!hunter2 x", "!hunter2!x y", "'hunter2", "[hunter2", "@hunter2", "{hunter2"]
)
def test_no_yaml_error_leaks(refusal: Refusal, value: str) -> None:
    lines = refusal(f"auth:\n  jwt:\n    secret: {value}\n")
    assert lines
    assert "hunter2" not in "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "a: *x",
            "airboss.yaml:1: column 4: an alias (*NAME) without its anchor (&NAME); quote a value that starts with *",
        ),
        (
            "a: 1\n---\nb: 2",
            "airboss.yaml:2: column 1: a second document (---) begins; settings are one document",
        ),
        ("a: 1\nb: \x07", "airboss.yaml:2: column 4: the character U+0007 may not stand in YAML"),
        ("[1, 2]", "airboss.yaml:1: must be a mapping of settings, such as `server: {port: 8700}`"),
        ("just text", "airboss.yaml:1: must be a mapping of settings, such as `server: {port: 8700}`"),
        ("server:\n  port: 1\n  port: 2\n", "airboss.yaml:3: server.port: stands twice, first in line 2"),
        ("server: {port: 1, port: 1}", "airboss.yaml:1: server.port: stands twice, first in line 1"),
        ("1: x", "airboss.yaml:1: a key must be text; quote it if it looks like something else"),
        (
            "server: {<<: 5}",
            "airboss.yaml:1: server: merges (<<) what is neither a mapping nor a list of mappings",
        ),
    ],
)
def test_a_file_that_is_not_what_it_should_be(refusal: Refusal, text: str, line: str) -> None:
    assert refusal(text) == [line]


INDENTATION = (
    "the indentation does not fit the lines above: begin the keys of one section in one column, in spaces"
)
SECOND_COLON = "a second ': ' in one line: put the text in quotes, such as `key: \"Note: be brief\"`"
NO_COLON = (
    "not `key: value`: write a colon and a space behind the key, and put text of several lines in quotes"
)


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("server:\n  port: 1: 2\n", 2, 10, SECOND_COLON),
        ("agents:\n  a:\n    instructions: Note: be brief\n", 3, 23, SECOND_COLON),
        ("server:\n\tport: 1\n", 2, 1, "a tab may not stand here: use spaces, as for all indentation"),
        ("server:\n  port: 1\n host: x\n", 3, 2, INDENTATION),
        ("server:\n  port: 1\n    host: x\n", 3, 9, INDENTATION),
        ("a:\n  - b: 1\n   c: 2\n", 3, 4, INDENTATION),
        ("a:b\nc: d\n", 2, 2, f"the line above is {NO_COLON}"),
        ("a: 1\nb\n", 3, 1, NO_COLON),
        ("a: @x\n", 1, 4, "no value begins with this character: put the value in quotes"),
        ("a: 'x\nb: y\n", 3, 1, "a quote is not closed: end the text with the quote it begins with"),
        ("a: 'it's'\n", 1, 8, "text goes on behind its end: put the whole in quotes, ' inside as ''"),
        (
            'a: "C:\\dir"\n',
            1,
            8,
            "a backslash in double quotes begins an escape: use 'single quotes' for the text",
        ),
        ("a: [1, 2\nb: 3\n", 2, 2, "a list is not closed, or lacks a comma: write it as [one, two]"),
        ("a: {b: 1\nc: 2\n", 2, 2, "a mapping is not closed, or lacks a comma: write it as {one: 1, two: 2}"),
        ("server: [\n", 2, 1, "a bracket is not closed: end a list with ] and a mapping with }"),
        ("a: - b\n", 1, 4, "a list begins on a line of its own: put `- ` there, or write [one, two]"),
        (
            "a: }\n",
            1,
            4,
            "expected the node content, but found '}'; where text is meant, put it in quotes",
        ),
    ],
)
def test_what_is_no_yaml_is_told_with_what_to_do(
    refusal: Refusal, text: str, line: int, column: int, what: str
) -> None:
    assert refusal(text) == [f"airboss.yaml:{line}: column {column}: {what}"]


@pytest.mark.parametrize(("kind", "meant"), [("olama", "ollama"), ("opnai", "openai"), ("Ollama", "ollama")])
def test_a_misspelt_choice_is_told_the_nearest(refusal: Refusal, kind: str, meant: str) -> None:
    kinds = "openai, openai_compatible, anthropic, ollama, offline"
    assert refusal(f"providers: {{lm: {{kind: {kind}}}}}") == [
        f"airboss.yaml:1: providers.lm.kind: must be one of {kinds}, got '{kind}'; did you mean '{meant}'?"
    ]


def test_an_mcp_server_that_contains_itself(refusal: Refusal) -> None:
    assert refusal("mcp: {servers: {a: &a {command: x, args: [*a]}}}") == [
        "airboss.yaml:1: mcp.servers.a.args[0]: contains itself",
    ]


ADDRESS_MISSING = (
    "is missing: kind openai_compatible has no address of its own; "
    "give that of the server's API, such as base_url: http://127.0.0.1:8000/v1"
)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "providers:\n  lm:\n    kind: openai_compatible\n",
            [f"airboss.yaml:3: providers.lm.base_url: {ADDRESS_MISSING}"],
        ),
        (
            "providers:\n  lm:\n    kind: openai_compatible\n    base_url: null\n",
            [f"airboss.yaml:4: providers.lm.base_url: {ADDRESS_MISSING}"],
        ),
        (
            "providers:\n  lm:\n    kind: openai_compatible\n    base_ulr: http://h\n",
            ["airboss.yaml:4: providers.lm.base_ulr is not a setting; did you mean providers.lm.base_url?"],
        ),
    ],
)
def test_a_compatible_server_needs_its_address(refusal: Refusal, text: str, lines: list[str]) -> None:
    assert refusal(text) == lines


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama", "offline"])
def test_other_kinds_know_their_address(load: Load, kind: str) -> None:
    assert load(f"providers: {{lm: {{kind: {kind}}}}}").settings.providers["lm"].base_url is None


def load_file(cwd: Path, name: str | None, environ: dict[str, str] | None = None) -> str:
    path = None if name is None else Path(name)
    with pytest.raises(SettingsError) as caught:
        load_settings(config_path=path, environ=environ or {}, flags={}, cwd=cwd)
    return str(caught.value)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    message = "there is no file missing.yaml; create it or name another"
    assert load_file(tmp_path, "missing.yaml") == f"--config: {message}"
    assert load_file(tmp_path, None, {"AIRBOSS_CONFIG": "missing.yaml"}) == f"AIRBOSS_CONFIG: {message}"


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.yaml").write_bytes("server: {host: 'ä'}".encode("latin-1"))
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert load_file(tmp_path, "folder") == "folder: is a directory, not a file"
    assert load_file(tmp_path, "latin.yaml") == "latin.yaml: is not UTF-8 text; save it as UTF-8"
    assert load_file(tmp_path, "loop.yaml") == "loop.yaml: cannot be read: Too many levels of symbolic links"


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "airboss.yaml").write_text("server: {port: 1}", encoding="utf-8-sig")
    assert load_settings(config_path=None, environ={}, flags={}, cwd=tmp_path).settings.server.port == 1


def test_malformed_json_in_a_variable(refusal: Refusal) -> None:
    environ = {
        "AIRBOSS_TOOLS": "x",
        "AIRBOSS_SERVER__ALLOWED_HOSTS": "[x",
        "AIRBOSS_MCP__SERVERS__A__ARGS": "{",
    }
    assert refusal(None, environ) == [
        "AIRBOSS_MCP__SERVERS__A__ARGS: mcp.servers.a.args: must be valid JSON, as it starts with { or [",
        (
            "AIRBOSS_SERVER__ALLOWED_HOSTS: server.allowed_hosts: must be "
            'a JSON list such as ["a", "b"], or texts separated by commas'
        ),
        "AIRBOSS_TOOLS: tools: must be a JSON object",
    ]


def test_the_offline_provider_has_one_model(refusal: Refusal, load: Load) -> None:
    text = "agents:\n  a:\n    provider: offline\n    model: {}\n"
    assert refusal(text.format("plnner")) == [
        "airboss.yaml:4: agents.a.model: 'plnner' is not a model of kind offline; did you mean 'planner'?"
    ]
    assert refusal(text.format("gpt-5")) == [
        "airboss.yaml:4: agents.a.model: 'gpt-5' is not a model of kind offline; there are: planner"
    ]
    assert load(text.format("planner")).settings.agents["a"].model == "planner"
    assert load("agents: {a: {provider: offline}}").settings.agents["a"].provider == "offline"
