"""TLS: certificate and key are checked before the start, and read anew while the server runs."""

import ssl
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from airboss.config.findings import Finding, RefusedSettingsError, refuse
from airboss.config.paths import KeyPath
from airboss.config.runtime_config import TlsFiles

T = TypeVar("T")

_CERTIFICATE_SETTING: KeyPath = ("server", "tls_cert_path")
_KEY_SETTING: KeyPath = ("server", "tls_key_path")

#: For TLS 1.2: forward secrecy and authenticated encryption (RFC 9325, 4.2); TLS 1.3 has no others.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class ServerTls:
    """The context of a listener, whose certificate can be replaced under open connections."""

    def __init__(self, files: TlsFiles) -> None:
        """Read and check both files; raises `RefusedSettingsError`."""
        self._files = files
        self.expires_at = check_files(files)
        self.context = _context(files)

    def reload(self) -> None:
        """Take the files as they are now for new connections; raises `RefusedSettingsError` and keeps the old ones."""
        expires_at = check_files(self._files)
        # Tried apart first: what does not fit must not half replace what serves.
        _context(self._files)
        self.context.load_cert_chain(self._files.certificate, self._files.key)
        self.expires_at = expires_at


def check_files(files: TlsFiles) -> datetime:
    """Return when the certificate expires; raises `RefusedSettingsError` with everything wrong with both files."""
    certificate, findings = _examined(files.certificate, files.key)
    refuse(findings)
    assert certificate is not None  # noqa: S101 - nothing was found
    return certificate.not_valid_after_utc


def unusable_files(certificate: Path | None, key: Path | None) -> Iterable[Finding]:
    """Tell what is wrong with the files of the settings, also where only one of them is named."""
    if certificate is None or key is None:
        return _examined(certificate, key)[1]
    try:
        ServerTls(TlsFiles(certificate, key))
    except RefusedSettingsError as error:
        return error.findings
    return ()


def _examined(
    certificate_path: Path | None, key_path: Path | None
) -> tuple[x509.Certificate | None, list[Finding]]:
    findings: list[Finding] = []
    certificate = _tried(_certificate, certificate_path, findings)
    key = _tried(_key, key_path, findings)
    if certificate and certificate_path:
        findings.extend(_untimely(certificate, certificate_path))
    if certificate and key and _public(certificate) != _public(key):
        text = (
            f"{key_path} is not the key of the certificate {certificate_path};"
            " the server's own certificate must stand first there, before its chain"
        )
        findings.append(Finding(_KEY_SETTING, text, (_CERTIFICATE_SETTING,)))
    return certificate, findings


def _tried(read: Callable[[Path], T], path: Path | None, findings: list[Finding]) -> T | None:
    if path is None:
        return None
    try:
        return read(path)
    except RefusedSettingsError as error:
        findings.extend(error.findings)
    return None


def _untimely(certificate: x509.Certificate, path: Path) -> Iterator[Finding]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now = datetime.now(UTC)
    if ends <= now:
        yield _certificate_finding(path, f"expired at {ends:%Y-%m-%d %H:%M} UTC: renew it")
    if begins > now:
        yield _certificate_finding(path, f"is not valid before {begins:%Y-%m-%d %H:%M} UTC: check the clock")


def _public(of: x509.Certificate | PrivateKeyTypes) -> bytes:
    return of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _certificate(path: Path) -> x509.Certificate:
    text = _read(path, _CERTIFICATE_SETTING)
    try:
        return x509.load_pem_x509_certificates(text)[0]
    except ValueError:
        raise _refused(_CERTIFICATE_SETTING, f"{path} holds no certificate in PEM form") from None


def _key(path: Path) -> PrivateKeyTypes:
    text = _read(path, _KEY_SETTING)
    try:
        return load_pem_private_key(text, password=None)
    except TypeError:
        raise _refused(
            _KEY_SETTING,
            f"the key in {path} is encrypted, and there is nobody to ask for its password:"
            " store it decrypted, readable for the server's user only",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _refused(_KEY_SETTING, f"{path} holds no private key in PEM form") from None


def _read(path: Path, setting: KeyPath) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused(setting, f"{path} cannot be read: {error.strerror}") from None


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key)
    except ssl.SSLError as error:
        # Such as a key that is too short for the system's security level.
        text = f"cannot be served: {error.reason or error}"
        raise RefusedSettingsError(_certificate_finding(files.certificate, text)) from None
    return context


def _certificate_finding(path: Path, text: str) -> Finding:
    return Finding(_CERTIFICATE_SETTING, f"the certificate in {path} {text}")


def _refused(setting: KeyPath, text: str) -> RefusedSettingsError:
    return RefusedSettingsError(Finding(setting, text))
