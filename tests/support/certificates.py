"""Certificates and keys for tests, good and bad, signed by an authority of the test's own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Files:
    """What a server serves, and whom its clients must trust."""

    certificate: Path
    key: Path
    authority: Path

    def settings(self) -> dict[str, str]:
        return {"tls_cert_path": str(self.certificate), "tls_key_path": str(self.key)}


def issue(
    folder: Path, *, starts: timedelta = -_DAY, ends: timedelta = _DAY, password: bytes | None = None
) -> Files:
    """Write a certificate for 127.0.0.1 and localhost, valid between two moments counted from now."""
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests of Airboss")])
    now = datetime.now(UTC)
    bare = x509.CertificateBuilder().issuer_name(name).serial_number(x509.random_serial_number())
    authority = (
        bare.subject_name(name)
        .public_key(authority_key.public_key())
        .not_valid_before(now - 9 * _DAY)
        .not_valid_after(now + 9 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    hosts = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        bare.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .public_key(key.public_key())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Files(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    files.authority.write_bytes(authority.public_bytes(Encoding.PEM))
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return files
