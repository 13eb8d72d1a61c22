"""The receiver's own TLS: for a company without a proxy, with a certificate that is renewed while it runs."""

from __future__ import annotations

import datetime
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.errors import ConfigurationError
from pipeline.health.edges.certificate import check_certificate
from pipeline.intake.edge import server, tls
from pipeline.settings.edges.declared import TlsSettings, strict_transport
from pipeline.settings.loading import load_settings
from tests.support.intake_server import Receiver, running_receiver
from tests.support.services import forget_caches

NAME = "leads.example.org"


def make_certificate(folder: Path, *, days: int = 90) -> int:
    """A certificate that signs itself, and its key. Gives its serial number."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=300))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / "chain.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made.serial_number


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    make_certificate(folder / "tls")
    (folder / "afluente.yaml").write_text(
        "receiver: {tls: {certificate: tls/chain.pem, key: tls/key.pem, host: 127.0.0.1, port: 0}}"
    )
    return folder


@pytest.fixture(scope="module")
def receiver(module_database, folder) -> Iterator[Receiver]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_CONFIG", str(folder / "afluente.yaml"))
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        patch.setattr(tls, "LOOK_SECONDS", 0.1)
        patch.setattr(server, "HANDSHAKE_SECONDS", 0.5)
        forget_caches()
        with running_receiver(load_settings()) as running:
            yield running


def line_to(receiver: Receiver, **how: object) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in how.items():
        setattr(context, name, value)
    return context.wrap_socket(
        socket.create_connection(("127.0.0.1", receiver.tls_port), timeout=10), server_hostname=NAME
    )


def serial_shown(receiver: Receiver) -> int:
    with line_to(receiver) as line:
        return x509.load_der_x509_certificate(line.getpeercert(binary_form=True) or b"").serial_number


def said(line: ssl.SSLSocket) -> bytes:
    line.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}") and (part := line.recv(65_536)):
        answer += part
    return answer


def test_leads_come_in_by_tls_beside_the_plain_port(receiver, folder, monkeypatch):
    with requests.Session() as http:
        http.trust_env = False  # a bundle of the machine would count before ours
        http.verify = str(folder / "tls" / "chain.pem")
        monkeypatch.setattr(socket, "getaddrinfo", _leading_here(socket.getaddrinfo))
        form = {"submission_id": "by-tls", "fields": {"email": "ada@example.org"}}
        answer = http.post(f"https://{NAME}:{receiver.tls_port}/in/default/web_form", json=form, timeout=10)
    assert answer.status_code == 202
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    plain = receiver.get("/health/live", headers={"X-Forwarded-Proto": "https"})
    assert (plain.status_code, "Strict-Transport-Security" in plain.headers) == (200, False)


@pytest.mark.parametrize(
    ("said_of_it", "header"),
    [
        ({}, "max-age=31536000"),
        ({"hsts": "subdomains"}, "max-age=31536000; includeSubDomains"),
        ({"hsts": "off"}, None),
    ],
)
def test_what_the_tls_port_demands_of_browsers_is_a_setting(said_of_it, header):
    assert strict_transport(TlsSettings("chain.pem", "key.pem", **said_of_it).hsts) == header


def _leading_here(real):
    return lambda host, *rest, **more: real("127.0.0.1" if host == NAME else host, *rest, **more)


def test_a_renewed_certificate_is_shown_without_a_restart_and_open_connections_go_on(receiver, folder):
    with line_to(receiver) as open_before:
        assert b" 200 " in said(open_before)
        serial = make_certificate(folder / "tls")
        deadline = time.monotonic() + 10
        while serial_shown(receiver) != serial:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert b" 200 " in said(open_before)


def test_a_certificate_that_does_not_fit_its_key_leaves_the_one_before(receiver, folder, tmp_path):
    serial = serial_shown(receiver)
    make_certificate(tmp_path / "other")
    kept = (folder / "tls" / "chain.pem").read_bytes()
    shutil.copy(tmp_path / "other" / "chain.pem", folder / "tls" / "chain.pem")
    time.sleep(0.5)
    assert serial_shown(receiver) == serial
    (folder / "tls" / "chain.pem").write_bytes(kept)


def test_a_connection_that_never_begins_its_handshake_ends(receiver):
    with socket.create_connection(("127.0.0.1", receiver.tls_port), timeout=10) as line:
        assert line.recv(65_536) == b""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_versions_before_1_2_are_not_spoken(receiver):
    with pytest.raises(ssl.SSLError):
        line_to(receiver, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_headers_that_take_too_long_end_by_tls_too(receiver, monkeypatch):
    from pipeline.intake.edge.protocol import BoundedProtocol

    monkeypatch.setattr(BoundedProtocol, "head_seconds", 0.3)
    with line_to(receiver) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHo")
        assert line.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_files_that_are_no_certificate_and_key_say_so_at_the_start(folder, tmp_path):
    with pytest.raises(ConfigurationError, match=r"receiver\.tls: .*missing\.pem cannot be read"):
        tls.ReceiverTls(tmp_path / "missing.pem", folder / "tls" / "key.pem")
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match="no certificate and key in PEM that belong together"):
        tls.ReceiverTls(tmp_path / "text.pem", folder / "tls" / "key.pem")


@pytest.mark.parametrize(("days", "is_well"), [(90, True), (10, False), (-1, False)])
def test_doctor_says_when_the_certificate_ends(tmp_path, days, is_well):
    make_certificate(tmp_path / "tls", days=days)
    config = tmp_path / "afluente.yaml"
    config.write_text("receiver: {tls: {certificate: tls/chain.pem, key: tls/key.pem}}")
    (check,) = check_certificate(load_settings({"AFLUENTE_CONFIG": str(config)}))
    assert check.ok is is_well
