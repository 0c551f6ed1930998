"""A small server that keeps what reaches it: a provider, or a host that holdover has nothing to do with."""

import datetime
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BODY = bytes(range(256)) * 4
ODDS = b'[{"id": "1", "bookmakers": []}]'


@dataclass(frozen=True)
class Arrival:
    """A request as it reached the origin."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return ", ".join(value for key, value in self.fields if key.lower() == name)


@dataclass
class Origin:
    """A running server; answers 200 with JSON to what ends in /odds, and 207 with bytes of every kind to the rest;
    302 to `moved` where there is one."""

    port: int
    arrivals: list[Arrival] = field(default_factory=list)
    moved: str = ""

    def last(self, mark: str) -> Arrival:
        """The one request whose target has `mark`."""
        [found] = [arrival for arrival in self.arrivals if mark in arrival.target]
        return found


class _Server(ThreadingHTTPServer):
    """Keep-alive connections of proxies stay open beyond a test; they end with the process."""

    daemon_threads = True
    block_on_close = False
    origin: Origin

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that refuses the certificate is not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        fields = tuple((name, str(value)) for name, value in self.headers.items())
        assert isinstance(self.server, _Server)
        self.server.origin.arrivals.append(Arrival(self.command, self.path, fields, self.rfile.read(length)))
        odds = self.path.partition("?")[0].endswith("/odds")
        moved = self.server.origin.moved
        self.send_response(302 if moved else 200 if odds else 207, "Some Of It")
        if moved:
            self.send_header("Location", moved)
        body = ODDS if odds else BODY
        for name, value in (("X-Twice", "1"), ("X-Twice", "2"), ("Set-Cookie", "session=its-own")):
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json" if odds else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def origin(context: ssl.SSLContext | None = None) -> Iterator[Origin]:
    """Serves on a free port of this machine until the block ends, over TLS when there is a context."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        if context is not None:
            # The handshake belongs into the connection's thread: a client that stays silent would stop `accept`.
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.origin = Origin(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.origin
        finally:
            server.shutdown()
            thread.join()


def self_signed(name: str, folder: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS of a server of this name, and the file with its certificate, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path, whole = folder / f"{name}.pem", folder / f"{name}-with-key.pem"
    path.write_bytes(certificate)
    whole.write_bytes(secret + certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(whole)
    return context, path
