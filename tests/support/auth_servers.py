"""Servers that ask for tokens, and clients that have some."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from tests.support.server import ServerProcess, running_server
from tests.support.tokens import SECRET, Forge, bearer, public_pem

#: Without tools the planner answers at once; `idle` is paused by the tests that use it.
AGENTS = {name: {"provider": "offline", "model": "planner", "tools": []} for name in ("quick", "idle")}


def jwt_settings(algorithm: str = "HS256", **jwt: Any) -> dict[str, Any]:
    return {"auth": {"mode": "jwt", "jwt": {"algorithms": [algorithm], **jwt}}, "agents": AGENTS}


@contextmanager
def jwt_server(
    folder: Path, algorithm: str = "HS256", settings: Mapping[str, Any] | None = None
) -> Iterator[ServerProcess]:
    """Serve with the tests' key of a family: a secret, or the public key in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    if algorithm == "HS256":
        chosen, environ = jwt_settings(), {"AIRBOSS_JWT_SECRET": SECRET}
    else:
        (folder / "public.pem").write_bytes(public_pem(algorithm))
        chosen, environ = jwt_settings(algorithm, public_key_path="public.pem"), {}
    with running_server(folder, chosen | dict(settings or {}), environ) as server:
        yield server


@contextmanager
def client_of(server: ServerProcess, token: str | None) -> Iterator[httpx2.Client]:
    with server.client() as client:
        if token is not None:
            client.headers.update(bearer(token))
        yield client


@contextmanager
def client_as(
    server: ServerProcess, role: str, tenant: str = "red", **claims: Any
) -> Iterator[httpx2.Client]:
    token = Forge().token(roles=[role], tenant=tenant, sub=f"{role} of {tenant}", **claims)
    with client_of(server, token) as client:
        yield client
