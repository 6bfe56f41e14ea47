"""TLS: what a server refuses to start with, and what it shows to whom."""

import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import yaml
from tests.support.certificates import Files, issue
from tests.support.command_line import airboss
from tests.support.polling import until
from tests.support.raw_http import DEADLINE_SECONDS
from tests.support.server import ServerProcess, running_server

_DAY = timedelta(days=1)


def _mismatched(folder: Path) -> Files:
    one, other = issue(folder / "one"), issue(folder / "other")
    return Files(one.certificate, other.key, one.authority)


def _without(name: str) -> Callable[[Path], Files]:
    def make(folder: Path) -> Files:
        files = issue(folder)
        getattr(files, name).unlink()
        return files

    return make


def _filled(name: str, content: bytes) -> Callable[[Path], Files]:
    def make(folder: Path) -> Files:
        files = issue(folder)
        getattr(files, name).write_bytes(content)
        return files

    return make


def _folder_instead(folder: Path) -> Files:
    files = issue(folder)
    files.key.unlink()
    files.key.mkdir()
    return files


_BAD: dict[str, tuple[Callable[[Path], Files], str, str]] = {
    "no certificate": (_without("certificate"), "server.tls_cert_path", "cannot be read: No such file"),
    "no key": (_without("key"), "server.tls_key_path", "cannot be read: No such file"),
    "a folder": (_folder_instead, "server.tls_key_path", "cannot be read: Is a directory"),
    "an empty certificate": (_filled("certificate", b""), "server.tls_cert_path", "no certificate in PEM"),
    "a garbled key": (_filled("key", b"\x00\xffkey"), "server.tls_key_path", "no private key in PEM"),
    "an encrypted key": (
        lambda folder: issue(folder, password=b"secret-1"),
        "server.tls_key_path",
        "encrypted",
    ),
    "expired": (
        lambda folder: issue(folder, starts=-2 * _DAY, ends=-_DAY),
        "server.tls_cert_path",
        "expired at",
    ),
    "not yet valid": (
        lambda folder: issue(folder, starts=_DAY, ends=2 * _DAY),
        "server.tls_cert_path",
        "not valid before",
    ),
    "a key of another": (_mismatched, "server.tls_key_path", "is not the key of"),
}


@pytest.mark.parametrize("command", ["serve", "config check"])
@pytest.mark.parametrize("bad", _BAD)
def test_files_that_cannot_be_served_are_refused_by_name(tmp_path: Path, bad: str, command: str) -> None:
    make, setting, text = _BAD[bad]
    files = make(tmp_path / "tls")
    settings = {"server": {"port": 0, **files.settings()}}
    (tmp_path / "airboss.yaml").write_text(yaml.safe_dump(settings))
    done = airboss(tmp_path, *command.split())
    assert done.returncode == 2, done.stderr
    assert setting in done.stderr
    assert text in done.stderr
    path = files.key if setting.endswith("key_path") else files.certificate
    assert str(path) in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".airboss").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_key_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    files = issue(tmp_path / "tls")
    files.key.chmod(0)
    (tmp_path / "airboss.yaml").write_text(yaml.safe_dump({"server": files.settings()}))
    done = airboss(tmp_path, "serve", "--port", "0")
    assert (done.returncode, "cannot be read: Permission denied" in done.stderr) == (2, True)


def test_required_tls_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "airboss.yaml").write_text("server: {require_tls: true}\n")
    done = airboss(tmp_path, "serve", "--port", "0")
    assert done.returncode == 2
    assert "server.require_tls" in done.stderr
    assert "no server.tls_cert_path and no server.tls_key_path" in done.stderr.replace("\n", " ")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return issue(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Iterator[ServerProcess]:
    settings = {"server": {"require_tls": True, "receive_timeout_seconds": 1, **files.settings()}}
    with running_server(tmp_path_factory.mktemp("https"), settings) as running:
        yield running


def _client(server: ServerProcess, files: Files) -> httpx2.Client:
    trusting = ssl.create_default_context(cafile=str(files.authority))
    return httpx2.Client(base_url=server.url, verify=trusting, trust_env=False, timeout=DEADLINE_SECONDS)


def _shake_hands(server: ServerProcess, context: ssl.SSLContext) -> ssl.SSLSocket:
    parts = urlsplit(server.url)
    plain = socket.create_connection((parts.hostname or "", parts.port or 0), DEADLINE_SECONDS)
    return context.wrap_socket(plain, server_hostname="localhost")


def test_everything_is_served_over_a_real_handshake(server: ServerProcess, files: Files) -> None:
    assert server.url.startswith("https://")
    with _client(server, files) as client:
        spawned = client.post(
            "/v1/jobs", json={"agent": "offline", "input": "What is here?"}, headers={"Prefer": "wait=30"}
        )
        assert spawned.json()["state"] == "completed"
        assert spawned.headers["strict-transport-security"] == "max-age=31536000"
        events = client.get(spawned.json()["links"]["events"], headers={"Accept": "text/event-stream"})
        assert "event: job.completed" in events.text


def test_a_client_that_trusts_nobody_is_not_served(server: ServerProcess) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(server, ssl.create_default_context())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_ciphers_have_forward_secrecy_and_authentication(
    server: ServerProcess, files: Files, version: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context(cafile=str(files.authority))
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with _shake_hands(server, context) as sock:
        chosen = sock.cipher()
        assert chosen is not None
        assert chosen[0].startswith(("ECDHE-", "TLS_"))
        assert chosen[0].endswith(
            ("GCM-SHA384", "GCM-SHA256", "CHACHA20-POLY1305", "GCM_SHA384", "GCM_SHA256")
        )
        assert sock.compression() is None
        assert sock.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "aNULL:eNULL:@SECLEVEL=0"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_and_weak_ciphers_are_refused(
    server: ServerProcess, version: ssl.TLSVersion, ciphers: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _shake_hands(server, context)


def test_a_peer_that_does_not_shake_hands_is_cut(server: ServerProcess) -> None:
    parts = urlsplit(server.url)
    for sent in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        with socket.create_connection((parts.hostname or "", parts.port or 0), DEADLINE_SECONDS) as sock:
            sock.sendall(sent)
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass


def test_the_command_line_reaches_it_by_the_authority_it_is_told(
    tmp_path: Path, server: ServerProcess, files: Files
) -> None:
    trusting = {"SSL_CERT_FILE": str(files.authority)}
    done = airboss(tmp_path, "agents", "--url", server.url, "--json", environ=trusting)
    assert (done.returncode, '"offline"' in done.stdout) == (0, True), done.stderr
    refused = airboss(tmp_path, "agents", "--url", server.url)
    assert refused.returncode != 0
    assert "SSL_CERT_FILE" in refused.stderr


def test_a_hangup_takes_the_new_certificate_and_never_a_bad_one(tmp_path: Path) -> None:
    files = issue(tmp_path / "tls")
    with running_server(tmp_path / "server", {"server": files.settings()}) as server:
        before = files.authority.read_text()
        with _client(server, files) as kept:
            kept.get("/health/live").raise_for_status()
            renewed = issue(tmp_path / "tls")
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "tls.certificate_read" in server.log, "the new certificate is read")
            # Open connections stay; new ones see the new certificate.
            kept.get("/health/live").raise_for_status()
        _shake_hands(server, ssl.create_default_context(cadata=renewed.authority.read_text())).close()
        with pytest.raises(ssl.SSLCertVerificationError):
            _shake_hands(server, ssl.create_default_context(cadata=before))
        renewed.key.write_text("garbage")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "tls.kept_old_certificate" in server.log, "the bad key is refused")
        _shake_hands(server, ssl.create_default_context(cadata=renewed.authority.read_text())).close()
