"""Both ends of TLS for tests: clients in memory, and a small server on a real port that ends TLS by `Termination`."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cryptography import x509

from addons.certificates import Certificates
from addons.termination import Buffers, Termination

HOST = "api.odds.example"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nodds"


class Client:
    """A client in memory, on the other end of a `Termination`."""

    def __init__(
        self, context: ssl.SSLContext, name: str | None = HOST, session: ssl.SSLSession | None = None
    ) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=name, session=session)

    def step(self, received: bytes = b"") -> bytes:
        """What it sends next in the handshake. Raises ssl.SSLError for what it does not accept."""
        self._in.write(received)
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._out.read()

    def shake(self, server: Termination) -> None:
        received = b""
        while True:
            sent = self.step(received)
            if not sent and not received:
                break
            assert server.receive(sent) == b""
            received = server.outgoing()
        assert server.established, server.broken

    def sealed(self, plain: bytes) -> bytes:
        view = memoryview(plain)
        while view:
            view = view[self.tls.write(view) :]
        return self._out.read()

    def opened(self, data: bytes) -> bytes:
        """Until there is no more, or the server closed."""
        self._in.write(data)
        plain = b""
        with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while part := self.tls.read(100_000):
                plain += part
        return plain

    def closing(self) -> bytes:
        """close_notify."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self._out.read()

    @property
    def certificate(self) -> x509.Certificate:
        der = self.tls.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der)


def serve(listener: socket.socket, certificates: Certificates) -> None:
    """Until the listener is closed; connections one after another. Answers each request with `ANSWER`."""
    buffers = Buffers()
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with line:
            _serve_one(line, Termination(certificates, buffers, line.getsockname()[0]))


def _serve_one(line: socket.socket, tls: Termination) -> None:
    line.settimeout(30)
    try:
        while (data := line.recv(65_536)) and not tls.broken:
            plain = tls.receive(data)
            line.sendall(b"".join(tls.send(ANSWER)) if plain else tls.outgoing())
        line.sendall(tls.close())
    except OSError:
        pass


@contextmanager
def serving(certificates: Certificates) -> Iterator[int]:
    """The port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, certificates))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Closing alone would leave `accept` waiting.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
