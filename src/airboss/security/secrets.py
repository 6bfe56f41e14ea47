"""References to secrets, and the one place that turns a reference into its value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

SecretStoreName = Literal["env", "file", "vault"]

REFERENCE_FORMS = "secret://env/NAME, secret://file/PATH or secret://vault/MOUNT/PATH#KEY"

_ENVIRONMENT = re.compile(r"secret://env/(?P<location>[A-Za-z_][A-Za-z0-9_]*)")
_FILE = re.compile(r"secret://file/(?P<location>[^\x00\r\n]+)")
_VAULT = re.compile(r"secret://vault/(?P<location>[^\s#/]+(?:/[^\s#/]+)+)#(?P<key>[^\s#]+)")


class SecretUnavailable(Exception):  # noqa: N818 - it says what is so, and the secret may come back
    """A referenced secret cannot be had now; the text names the reference and what to do, never a value."""

    def __init__(self, reference: "SecretReference", reason: str) -> None:
        super().__init__(f"{reference}: {reason}")
        self.reference = reference


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is kept: an environment variable, a file, or a key in Vault."""

    store: SecretStoreName
    location: str
    key: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `secret://env/NAME`, `secret://file/PATH` or `secret://vault/MOUNT/PATH#KEY`.

        A file's path is relative to the working directory; `secret://file//run/key` is absolute.
        Raises ValueError, whose text does not repeat what was given: it may be the secret itself.
        """
        if found := _ENVIRONMENT.fullmatch(text):
            return cls("env", found["location"])
        if found := _FILE.fullmatch(text):
            return cls("file", found["location"])
        if found := _VAULT.fullmatch(text):
            return cls("vault", found["location"], found["key"])
        raise ValueError(f"a secret is written as a reference: {REFERENCE_FORMS}")

    def __str__(self) -> str:
        anchor = "" if self.key is None else f"#{self.key}"
        return f"secret://{self.store}/{self.location}{anchor}"


def is_reference(value: object) -> bool:
    """Tell whether a value of any type is the text of a reference."""
    if not isinstance(value, str):
        return False
    try:
        SecretReference.parse(value)
    except ValueError:
        return False
    return True


class SecretResolver:
    """Reads the value behind a reference, anew at each use, so that a rotated secret is seen at once."""

    def __init__(self, environ: Mapping[str, str], cwd: Path) -> None:
        self._environ = environ
        self._cwd = cwd

    def resolve(self, reference: SecretReference) -> str:
        """Return the secret's value, which callers must not log or keep.

        Raises SecretUnavailable when it is missing, empty, unreadable, or kept in Vault, which this does not read.
        """
        value = self._read(reference)
        if not value:
            raise SecretUnavailable(reference, "it is empty; give it a value")
        return value

    def _read(self, reference: SecretReference) -> str:
        match reference.store:
            case "env":
                return self._from_environment(reference)
            case "file":
                return self._from_file(reference)
            case "vault":
                reason = "Vault is not read here; use secret://env/NAME or secret://file/PATH"
                raise SecretUnavailable(reference, reason)

    def _from_environment(self, reference: SecretReference) -> str:
        value = self._environ.get(reference.location)
        if value is None:
            raise SecretUnavailable(
                reference, f"the environment variable {reference.location} is not set; set it and start again"
            )
        return value

    def _from_file(self, reference: SecretReference) -> str:
        path = self._cwd / reference.location
        try:
            raw = path.read_bytes()
        except OSError as error:
            reason = (
                f"{path} cannot be read ({error.strerror}); an absolute path is written secret://file//PATH"
            )
            raise SecretUnavailable(reference, reason) from error
        text = _decoded(raw)
        if text is None:
            raise SecretUnavailable(reference, f"{path} is not UTF-8 text; store the secret as text")
        return text.removesuffix("\n").removesuffix("\r")


def _decoded(raw: bytes) -> str | None:
    # The error that decoding raises carries the bytes: it must not become the cause of ours.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
