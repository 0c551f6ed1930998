"""The servers that are compared, each at its fair best: holdover, nginx and Varnish as caches before the same
provider, and a bare server in Python that sends holdover's own bytes."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scripts.rig import HOST, ROOT, House, free_ports, running, stop, wait_for, write_house

from . import bare, machine, raw, tools

START_S = 30.0
CODINGS = {"identity": (), "gzip": ("Accept-Encoding: gzip",)}
"""Header lines of a client that asks for the coding."""


@dataclass(frozen=True, slots=True)
class Server:
    """`pid` is that of the process from which all of its others descend. `tls_port` is 0 for a server without TLS."""

    name: str
    pid: int
    port: int
    tls_port: int = 0

    def pids(self) -> list[int]:
        return machine.tree(self.pid)

    def cpu_s(self) -> float:
        return sum(map(machine.cpu_seconds, self.pids()))

    def resident_bytes(self) -> int:
        return sum(map(machine.resident_bytes, self.pids()))


# tcp_nopush stays off: with it the client whose request starts a background update gets its answer 200 ms late. One
# worker, because one core is what each server has. The two codings are kept apart by the key, which costs less than
# Vary, and the provider compresses.
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {root}/pid;
error_log {root}/error.log;
events {{ worker_connections 15000; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush off;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    open_file_cache max=20000 inactive=300s;
    open_file_cache_valid 300s;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    proxy_cache_path {root}/cache levels=1:2 keys_zone=odds:64m max_size=2g inactive=1h use_temp_path=off;
    map $http_accept_encoding $coding {{ default ""; "~*gzip" gzip; }}
    upstream provider {{ server 127.0.0.1:{origin}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        listen 127.0.0.1:{tls_port} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:sessions:16m;
        ssl_session_tickets on;
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Accept-Encoding $coding;
            proxy_ignore_headers Vary Cache-Control Expires;
            proxy_cache odds;
            proxy_cache_key "$coding $request_uri";
            proxy_cache_valid 200 {window_s}s;
            proxy_cache_lock on;
            proxy_cache_use_stale updating error timeout;
            proxy_cache_background_update on;
        }}
    }}
}}
"""

# With fewer threads than clients that answer at the same time, some of them wait for hundreds of milliseconds.
VARNISH_THREADS = 500
# Without http_gzip_support both codings are kept ready; with it one of them is made anew for every answer.
VARNISH = """
vcl 4.1;
backend provider {{ .host = "127.0.0.1"; .port = "{origin}"; }}
sub vcl_recv {{
    if (req.http.Accept-Encoding ~ "gzip") {{ set req.http.Accept-Encoding = "gzip"; }}
    else {{ unset req.http.Accept-Encoding; }}
    return (hash);
}}
sub vcl_backend_response {{
    set beresp.ttl = {window_s}s;
    set beresp.grace = 10s;
}}
"""


@contextmanager
def nginx(root: Path, origin: int, window_s: int) -> Iterator[Server]:
    """`origin` is the port of the provider, `root` a folder in memory, in which it makes one of its own."""
    folder = root / "nginx"
    folder.mkdir()
    port, tls_port = free_ports(2)
    file = folder / "nginx.conf"
    file.write_text(
        NGINX.format(
            root=folder,
            # Started by root its worker would be somebody else, who may not write here.
            user="user root;" if os.geteuid() == 0 else "",
            certificate=write_certificate(folder / "certificate.pem"),
            port=port,
            tls_port=tls_port,
            origin=origin,
            window_s=window_s,
        )
    )
    command = [tools.path("nginx"), "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")]
    with _process(folder, command, port) as pid:
        yield Server("nginx", pid, port, tls_port)


@contextmanager
def varnish(root: Path, origin: int, window_s: int) -> Iterator[Server]:
    folder = root / "varnish"
    folder.mkdir()
    port = free_ports(1)[0]
    file = folder / "provider.vcl"
    file.write_text(VARNISH.format(origin=origin, window_s=window_s))
    options = f"-F -j none -T none -n {folder} -a 127.0.0.1:{port} -f {file} -s malloc,1g"
    settings = f"-p http_gzip_support=off -p thread_pool_min={VARNISH_THREADS}"
    with _process(folder, [tools.path("varnishd"), *options.split(), *settings.split()], port) as pid:
        yield Server("varnish", pid, port)


@contextmanager
def python(root: Path, source: Server, targets: Sequence[str]) -> Iterator[Server]:
    """The bare server, with the answers that `source` gives now."""
    folder = root / "bare"
    folder.mkdir()
    answers = {
        target: [
            raw.fetch(source.port, raw.request(target, *fields)).decode("latin-1") for fields in CODINGS.values()
        ]
        for target in targets
    }
    file = folder / "answers.json"
    file.write_text(json.dumps(answers))
    port, tls_port = free_ports(2)
    certificate = write_certificate(folder / "certificate.pem")
    command = [sys.executable, "-m", "scripts.benchmarks.bare", str(file), str(port), str(tls_port), str(certificate)]
    with _process(folder, command, tls_port) as pid:
        yield Server(f"bare {bare.loop_name()}", pid, port, tls_port)


@contextmanager
def holdover(house: House, name: str = "holdover") -> Iterator[Server]:
    """All of `holdover up`: proxies, sidecar and what watches over them."""
    with running(house):
        yield of_house(house, name)


def of_house(house: House, name: str = "holdover") -> Server:
    assert house.process is not None
    return Server(name, house.process.pid, house.ports["reverse"], house.ports["reverse"])


type Start = Callable[[Path, int, int], AbstractContextManager[Server]]
PEERS: tuple[Start, ...] = (nginx, varnish)


@contextmanager
def caches(
    root: Path, origin_url: str, window_s: int, beside: Sequence[Start], **settings: Any
) -> Iterator[list[Server]]:
    """Those `beside`, and last holdover, before the same provider."""
    origin = int(origin_url.rpartition(":")[2])
    with ExitStack() as stack:
        servers = [stack.enter_context(start(root, origin, window_s)) for start in beside]
        house = write_house(root / "house", origin_url, window_s=window_s, **settings)
        yield [*servers, stack.enter_context(holdover(house))]


@contextmanager
def _process(folder: Path, command: list[str], port: int) -> Iterator[int]:
    """Runs it until the block ends, which begins when the port accepts. Raises RuntimeError."""
    log = folder / "output.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: process.poll() is not None or accepts(port), START_S)
            if process.poll() is not None:
                raise RuntimeError(f"{Path(command[0]).name} did not start: {log.read_text().strip()}")
            yield process.pid
        finally:
            stop(process)


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def write_certificate(path: Path) -> Path:
    """A certificate of the provider's host by nobody in particular, with its key, on P-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
    path.touch(0o600)
    path.write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path
