"""TLS before a PostgreSQL that was built without: asked for as its protocol says, and then all bytes are handed on."""

from __future__ import annotations

import datetime as dt
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.postgres import Postgres

ASKED = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""SSLRequest, as in "Message Formats" of PostgreSQL's manual."""


@dataclass(frozen=True)
class Authority:
    """Who vouches for servers; *roots* is the file by which its word is known."""

    roots: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def context(self, host: str) -> ssl.SSLContext:
        """Give what a server of that name shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        shown = _certificate(host, key, self.certificate.subject, self.key, authority=False)
        file = self.roots.with_name(f"{host}.pem")
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(secret + shown.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def authority(folder: Path) -> Authority:
    """Make one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Authority of {folder.name}")])
    certificate = _certificate("authority", key, name, key, authority=True)
    folder.mkdir(exist_ok=True)
    roots = folder / "roots.pem"
    roots.write_bytes(certificate.public_bytes(Encoding.PEM))
    return Authority(roots, certificate, key)


@contextmanager
def encrypted(postgres: Postgres, context: ssl.SSLContext | None) -> Iterator[int]:
    """Give the port where *postgres* answers, after TLS; without a *context* it says that it has none."""

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if self.request.recv(len(ASKED), socket.MSG_WAITALL) != ASKED:
                return
            self.request.sendall(b"S" if context else b"N")
            if context is None:
                return
            try:
                asker = context.wrap_socket(self.request, server_side=True)
            except OSError:  # it did not like what was shown
                return
            with asker, socket.socket(socket.AF_UNIX) as database:
                database.connect(f"{postgres.folder}/.s.PGSQL.5432")
                _hand_on(asker, database)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


def _hand_on(asker: ssl.SSLSocket, database: socket.socket) -> None:
    others: dict[socket.socket, socket.socket] = {asker: database, database: asker}
    while True:
        ready = [asker] if asker.pending() else select.select(list(others), [], [])[0]
        for one in ready:
            try:
                data = one.recv(65_536)
                others[one].sendall(data)
            except OSError:
                return
            if not data:
                return


def _certificate(
    host: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    subject = issuer if authority else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(signer, hashes.SHA256())
    )
