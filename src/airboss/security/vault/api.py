"""Vault's HTTP API by hvac, which blocks: every method runs on a thread of its own, never on the event loop.

No error of hvac's or of the HTTP client's leaves this module, nor is it a cause: they carry whole answers.
"""

import importlib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
_CONNECT_SECONDS = 3.0
#: Of one read from the socket; `VaultSecrets` has a deadline for the whole.
_READ_SECONDS = 5.0


class VaultDownError(Exception):
    """Vault cannot answer now; it may later."""


class VaultRefusedError(Exception):
    """Vault answered, and its answer is no; `is_forbidden` where another token might change that."""

    def __init__(self, reason: str, *, is_forbidden: bool = False) -> None:
        super().__init__(reason)
        self.is_forbidden = is_forbidden


@dataclass(frozen=True, slots=True)
class VaultToken:
    """A client token; it never expires where `ttl_seconds` is 0."""

    value: str
    ttl_seconds: float
    renewable: bool


@dataclass(frozen=True, slots=True)
class VaultSecret:
    """What is under a path; with `lease_id` it was made for this reader and ends with its lease."""

    values: Mapping[str, Any]
    lease_id: str = ""
    lease_seconds: float = 0.0
    renewable: bool = False


class VaultApi:
    """One Vault. A connection is opened for each call and closed with it: calls are rare."""

    def __init__(self, address: str) -> None:
        self._address = address

    def login(self, role_id: str, secret_id: str) -> VaultToken:
        def ask(client: Any) -> VaultToken:
            answer = _document(
                client.auth.approle.login(role_id=role_id, secret_id=secret_id, use_token=False)
            )
            return _token(answer["auth"])

        return self._ask("", ask)

    def look_up(self, token: str) -> VaultToken:
        def ask(client: Any) -> VaultToken:
            data = _document(client.auth.token.lookup_self())["data"]
            return VaultToken(token, float(data["ttl"]), bool(data.get("renewable")))

        return self._ask(token, ask)

    def renew(self, token: str) -> VaultToken:
        return self._ask(token, lambda client: _token(_document(client.auth.token.renew_self())["auth"]))

    def read(self, token: str, location: str) -> VaultSecret:
        """Read MOUNT/PATH, whatever the engine: key-value version 1 and 2, and those that make credentials."""
        return self._ask(token, lambda client: _read(client, location))

    def renew_lease(self, token: str, lease_id: str) -> float:
        """Renew a lease and return the seconds it has from now on."""

        def ask(client: Any) -> float:
            return float(_document(client.sys.renew_lease(lease_id))["lease_duration"])

        return self._ask(token, ask)

    def _ask(self, token: str, ask: Callable[[Any], T]) -> T:
        hvac = importlib.import_module("hvac")
        requests = importlib.import_module("requests")
        with _told_as_ours(hvac.exceptions, requests.exceptions), requests.Session() as session:
            # The environment's proxies, certificates and netrc are not meant for this.
            session.trust_env = False
            # The system's certificates, to which operators add their own; else those that requests brings.
            trusted = ssl.get_default_verify_paths()
            session.verify = trusted.cafile or trusted.capath or True
            client = hvac.Client(
                url=self._address,
                # None would be looked for in the environment and in the home folder.
                token=token,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                allow_redirects=False,
                session=session,
                verify=session.verify,
                cert=(),
            )
            return ask(client)


def _read(client: Any, location: str) -> VaultSecret:
    mount = _mount_of(client, location)
    if mount is None:
        return _read_unasked(client, location)
    path, version = mount
    if version != "2":
        return _secret(_found(client.read(location)))
    return _newest(_found(client.read(_data_path(path, location))))


def _mount_of(client: Any, location: str) -> tuple[str, str] | None:
    """Return the mount that a path is below, and the version of its key-value engine, as Vault's own CLI asks.

    None where Vault does not say: one from before it could be asked, or whose policy forbids the question.
    """
    try:
        answer = client.read(f"sys/internal/ui/mounts/{location}")
    except importlib.import_module("hvac").exceptions.Forbidden:
        return None
    if answer is None:
        return None
    data = _document(answer)["data"]
    return str(data["path"]), str((data.get("options") or {}).get("version", "1"))


def _read_unasked(client: Any, location: str) -> VaultSecret:
    """Take the first part for the mount: of version 2, which new ones are, else as the path stands."""
    forbidden: type[Exception] = importlib.import_module("hvac").exceptions.Forbidden
    try:
        answer = client.read(_data_path(location.partition("/")[0], location))
    except forbidden:
        # A policy for version 1 knows no such path.
        answer = None
    return _secret(_found(client.read(location))) if answer is None else _newest(_document(answer))


def _data_path(mount: str, location: str) -> str:
    return f"{mount.strip('/')}/data/{location.removeprefix(mount).strip('/')}"


def _newest(document: Mapping[str, Any]) -> VaultSecret:
    values = document["data"].get("data")
    if not isinstance(values, dict):
        raise VaultRefusedError("its newest version is deleted")
    return VaultSecret(values)


def _secret(answer: Mapping[str, Any]) -> VaultSecret:
    return VaultSecret(
        dict(answer["data"]),
        str(answer.get("lease_id") or ""),
        float(answer.get("lease_duration") or 0),
        bool(answer.get("renewable")),
    )


def _found(answer: Any) -> Mapping[str, Any]:
    if answer is None:
        raise VaultRefusedError("there is nothing under its path, or its newest version is deleted")
    return _document(answer)


def _document(answer: Any) -> Mapping[str, Any]:
    """Return an answer that is a JSON object: hvac hands redirects and other bodies through as they are."""
    if not isinstance(answer, dict):
        status = getattr(answer, "status_code", 0)
        raise VaultDownError(f"answered with status {status} and no secret; name the active node's address")
    return answer


def _token(auth: Mapping[str, Any]) -> VaultToken:
    return VaultToken(str(auth["client_token"]), float(auth["lease_duration"]), bool(auth.get("renewable")))


@contextmanager
def _told_as_ours(vault: Any, http: Any) -> Iterator[None]:
    try:
        yield
    except (vault.Forbidden, vault.Unauthorized):
        raise VaultRefusedError("Vault denies access to it", is_forbidden=True) from None
    except vault.InvalidRequest:
        raise VaultRefusedError("Vault refuses the request as invalid") from None
    except vault.InvalidPath:
        raise VaultRefusedError("Vault has nothing there") from None
    except vault.VaultDown:
        raise VaultDownError("is sealed or in maintenance (503)") from None
    except vault.VaultError as error:
        raise VaultDownError(f"failed ({type(error).__name__})") from None
    except http.Timeout:
        raise VaultDownError("did not answer in time") from None
    except http.RequestException as error:
        raise VaultDownError(f"cannot be reached ({type(error).__name__})") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise VaultDownError("answered what is not Vault's API") from None
