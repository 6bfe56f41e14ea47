"""TLS: certificate and key are checked before the start, and read anew while the server runs."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from airboss.config.runtime_config import TlsFiles, TlsFilesError

#: For TLS 1.2: forward secrecy and authenticated encryption (RFC 9325, 4.2); TLS 1.3 has no others.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class ServerTls:
    """The context of a listener, whose certificate can be replaced under open connections."""

    def __init__(self, files: TlsFiles) -> None:
        """Read and check both files; raises `TlsFilesError`."""
        self._files = files
        self.expires_at = check_files(files)
        self.context = _context(files)

    def reload(self) -> None:
        """Take the files as they are now for new connections; raises `TlsFilesError` and keeps the old ones."""
        expires_at = check_files(self._files)
        # Tried apart first: what does not fit must not half replace what serves.
        _context(self._files)
        self.context.load_cert_chain(self._files.certificate, self._files.key)
        self.expires_at = expires_at


def check_files(files: TlsFiles) -> datetime:
    """Return when the certificate expires; raises `TlsFilesError`, which names the setting and its file."""
    certificate, key = _certificate(files.certificate), _key(files.key)
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc <= now:
        raise _certificate_error(
            files, f"expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: renew it"
        )
    if certificate.not_valid_before_utc > now:
        raise _certificate_error(
            files,
            f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: check the clock",
        )
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise TlsFilesError(
            f"server.tls_key_path: {files.key} is not the key of the certificate {files.certificate};"
            " the server's own certificate must stand first there, before its chain"
        )
    return certificate.not_valid_after_utc


def _certificate(path: Path) -> x509.Certificate:
    text = _read(path, "server.tls_cert_path")
    try:
        return x509.load_pem_x509_certificates(text)[0]
    except ValueError:
        raise TlsFilesError(f"server.tls_cert_path: {path} holds no certificate in PEM form") from None


def _key(path: Path) -> PrivateKeyTypes:
    text = _read(path, "server.tls_key_path")
    try:
        return load_pem_private_key(text, password=None)
    except TypeError:
        raise TlsFilesError(
            f"server.tls_key_path: the key in {path} is encrypted, and there is nobody to ask for its password:"
            " store it decrypted, readable for the server's user only"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise TlsFilesError(f"server.tls_key_path: {path} holds no private key in PEM form") from None


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsFilesError(f"{setting}: {path} cannot be read: {error.strerror}") from None


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
        raise _certificate_error(files, f"cannot be served: {error.reason or error}") from None
    return context


def _certificate_error(files: TlsFiles, text: str) -> TlsFilesError:
    return TlsFilesError(f"server.tls_cert_path: the certificate in {files.certificate} {text}")
