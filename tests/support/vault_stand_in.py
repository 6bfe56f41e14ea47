"""A stand-in for Vault: the few routes of its documented HTTP API that Airboss uses, on loopback.

It is no Vault and proves nothing about one; it lets tests make tokens end, leases run out, secrets rotate, and
the whole be sealed, slow, silent or gone.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ROLE_ID, SECRET_ID = "role-id-of-airboss", "secret-id-of-airboss"
DEADLINE_SECONDS = 15.0


@dataclass
class Token:
    """A client token that ends, or never does where `ttl` is 0."""

    value: str
    ttl: float
    ends_at: float
    renewable: bool = True
    max_ends_at: float = float("inf")


@dataclass
class Faults:
    """What goes wrong until it is taken back."""

    sealed: bool = False
    status: int | None = None
    location: str = "http://localhost:1"
    body: bytes = b'{"errors": ["internal"]}'
    #: Cleared: answers wait until it is set again.
    answering: threading.Event = field(default_factory=threading.Event)


class VaultStandIn:
    """Keeps mounts `kv` (version 2), `old` (version 1) and `database`, which makes a new credential at each read."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.faults = Faults()
        self.faults.answering.set()
        self.secrets: dict[str, dict[str, Any]] = {}
        self.denied: set[str] = set()
        self.deleted: set[str] = set()
        self.tokens: dict[str, Token] = {}
        self.leases: dict[str, float] = {}
        self.lease_seconds, self.lease_renewable = 60.0, True
        self.token_seconds, self.token_renewable = 0.0, True
        self.login_ids = (ROLE_ID, SECRET_ID)
        #: What the question for a path's mount is answered with: 404 by old ones, 403 where a policy forbids it.
        self.mounts_status = 200
        self.asked: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._number = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add_token(self, value: str, ttl: float = 0.0, *, renewable: bool = True) -> Token:
        token = self.tokens[value] = Token(value, ttl, self.now() + ttl, renewable)
        return token

    def wait_asked(self, what: str, times: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.asked[what] >= times, DEADLINE_SECONDS), self.asked

    def answer(self, method: str, path: str, token: str, body: dict[str, Any]) -> tuple[int, bytes]:
        with self._changed:
            self.asked[path] += 1
            self._changed.notify_all()
        assert self.faults.answering.wait(DEADLINE_SECONDS)
        if self.faults.sealed:
            return 503, b'{"errors": ["Vault is sealed"]}'
        if self.faults.status is not None:
            return self.faults.status, self.faults.body
        with self._changed:
            status, document = self._route(method, path, token, body)
        return status, json.dumps(document).encode()

    def _route(self, method: str, path: str, token: str, body: dict[str, Any]) -> tuple[int, Any]:
        if (method, path) == ("POST", "auth/approle/login"):
            return self._login(body)
        held = self.tokens.get(token)
        if held is None or (held.ttl and self.now() >= held.ends_at):
            return 403, {"errors": ["permission denied"]}
        if (method, path) == ("GET", "auth/token/lookup-self"):
            left = round(held.ends_at - self.now()) if held.ttl else 0
            return 200, {"data": {"ttl": left, "renewable": held.renewable, "id": held.value}}
        if (method, path) == ("POST", "auth/token/renew-self"):
            return self._renew_token(held)
        if (method, path) == ("PUT", "sys/leases/renew"):
            return self._renew_lease(str(body["lease_id"]))
        return self._read(path)

    def _login(self, body: dict[str, Any]) -> tuple[int, Any]:
        if (body.get("role_id"), body.get("secret_id")) != self.login_ids:
            return 400, {"errors": [f"invalid role or secret ID: {body.get('secret_id')}"]}
        self._number += 1
        token = self.add_token(
            f"hvs.token-{self._number}", self.token_seconds, renewable=self.token_renewable
        )
        return 200, {"auth": self._auth(token)}

    def _auth(self, token: Token) -> dict[str, Any]:
        left = min(token.ttl, max(0.0, token.max_ends_at - self.now()))
        return {"client_token": token.value, "lease_duration": round(left), "renewable": token.renewable}

    def _renew_token(self, token: Token) -> tuple[int, Any]:
        if not token.renewable:
            return 400, {"errors": ["token not renewable"]}
        token.ends_at = min(self.now() + token.ttl, token.max_ends_at)
        return 200, {"auth": self._auth(token)}

    def _renew_lease(self, lease_id: str) -> tuple[int, Any]:
        if self.leases.get(lease_id, 0.0) <= self.now() or not self.lease_renewable:
            return 400, {"errors": ["lease not found or lease is not renewable"]}
        self.leases[lease_id] = self.now() + self.lease_seconds
        return 200, {"lease_id": lease_id, "lease_duration": self.lease_seconds, "renewable": True}

    def _read(self, path: str) -> tuple[int, Any]:
        if path.startswith("sys/internal/ui/mounts/"):
            if self.mounts_status != 200:
                return self.mounts_status, {"errors": []}
            mount = path.removeprefix("sys/internal/ui/mounts/").partition("/")[0]
            options = {"kv": {"version": "2"}, "old": {"version": "1"}}.get(mount)
            return 200, {
                "data": {"path": f"{mount}/", "type": "kv" if options else mount, "options": options}
            }
        location = path.replace("kv/data/", "kv/", 1)
        if path.startswith("old/data/") and self.mounts_status == 403:
            return 403, {"errors": ["permission denied"]}
        if location in self.denied:
            return 403, {"errors": [f"1 error occurred: * permission denied to {self.secrets.get(location)}"]}
        if location in self.deleted:
            return 404, {"data": {"data": None, "metadata": {"deletion_time": "2026-11-21T18:48:00Z"}}}
        if location.startswith("database/creds/"):
            return 200, self._credential()
        values = self.secrets.get(location)
        if values is None:
            return 404, {"errors": []}
        if path.startswith("kv/"):
            return 200, {
                "data": {"data": values, "metadata": {"version": 1}},
                "lease_id": "",
                "lease_duration": 0,
            }
        return 200, {"data": values, "lease_id": "", "lease_duration": 2764800, "renewable": False}

    def _credential(self) -> dict[str, Any]:
        self._number += 1
        lease_id = f"database/creds/app/{self._number}"
        self.leases[lease_id] = self.now() + self.lease_seconds
        return {
            "lease_id": lease_id,
            "lease_duration": self.lease_seconds,
            "renewable": self.lease_renewable,
            "data": {"username": f"user-{self._number}", "password": f"password-{self._number}"},
        }


@contextmanager
def vault_stand_in(now: Callable[[], float]) -> Iterator[VaultStandIn]:
    """Serve until the end of the block; `now` is the clock that tokens and leases end by."""
    vault = VaultStandIn(now)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            path = self.path.removeprefix("/v1/")
            status, answer = vault.answer(self.command, path, self.headers.get("X-Vault-Token", ""), body)
            try:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                if status == 307:
                    self.send_header("location", f"{vault.faults.location}{self.path}")
                self.end_headers()
                self.wfile.write(answer)
            except ConnectionError:
                pass  # whoever asked had a deadline

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that http.server asks for

        def log_message(self, *args: Any) -> None:
            pass

    server = vault._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="vault stand-in")
    thread.start()
    try:
        yield vault
    finally:
        vault.faults.answering.set()
        server.shutdown()
        thread.join()
        server.server_close()
