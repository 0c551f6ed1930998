"""Certificates by the name of the host that a client of TLS means: the operator's where there is one, else made on
the fly and signed by mitmproxy's authority, as mitmproxy does, with a key of P-256, whose handshake costs half."""

import datetime
import ipaddress
import os
import ssl
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mitmproxy import certs
from mitmproxy.options import CONF_BASENAME, KEY_SIZE

MOST_NAMES = 512
"""Names beyond those kept whose certificates stay in memory, with 27 KB each."""

MINTS_PER_SECOND = 20
"""For names that are not kept, which anyone can make up: at 2.3 ms of processor each, 5 % of a core."""

_RENEWED_BEFORE_S = 30 * 86_400

_CIPHERS = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:kRSA+AESGCM:kRSA+AES"
"""Of TLS 1.2: what mitmproxy offers, without triple DES and finite-field Diffie-Hellman."""

_CONNECTION_TICKETS = 1
"""Of TLS 1.3, for each full handshake. OpenSSL's two cost 20 of 290 microseconds more; a client that uses each ticket
once gets the next with every resumption."""


class CertificateError(Exception):
    """A file with a certificate or an authority cannot be used; says which, why, and what to do."""


def authority(folder: Path) -> certs.CertStore:
    """mitmproxy's, from its folder; made when there is none. Raises CertificateError."""
    key = folder / f"{CONF_BASENAME}-ca.pem"
    with suppress(OSError):
        # Whoever reads it, or puts another in its place, can be any host to the clients that trust it.
        key.chmod(0o600)
    with suppress(OSError):
        # Where it is sticky, as /tmp is, nobody can.
        if not (mode := stat.S_IMODE(folder.stat().st_mode)) & stat.S_ISVTX:
            folder.chmod(mode & ~0o022)
    try:
        return certs.CertStore.from_store(folder, CONF_BASENAME, KEY_SIZE)
    except (OSError, ValueError, TypeError) as error:
        raise CertificateError(
            f"{key}: no certificate authority can be used or made here ({error}); restore "
            f"the file, or move all {CONF_BASENAME}-* files away to have a new one, which clients must trust then"
        ) from error


def for_hosts(store: certs.CertStore, hosts: Sequence[str], files: Iterable[Path]) -> "Certificates":
    """All that a proxy needs which stands in for these hosts; the first is meant by clients that name none. Raises
    CertificateError."""
    made = Certificates(store, hosts[0] if hosts else "holdover.invalid", files)
    made.keep(hosts)
    return made


@dataclass(frozen=True, slots=True)
class _Leaf:
    context: ssl.SSLContext
    renewed_at: float


class Certificates:
    """TLS contexts by name. Connections begin with `base`, which has no certificate, and go on with that of a name:
    session tickets belong to the context that a connection began with, so they hold for all names and certificates,
    and in all processes that were forked from the one that made it."""

    def __init__(
        self,
        store: certs.CertStore,
        default: str,
        files: Iterable[Path] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`default`: the host that is meant when a client names none. Raises CertificateError."""
        self.base = _context()
        self._stamps: dict[Path, tuple[int, ...]] = {}
        self._own: dict[Path, tuple[ssl.SSLContext, list[str]]] = {}
        self._given: dict[str, ssl.SSLContext] = {}
        for wrong in self.follow(files):
            raise CertificateError(wrong)
        self._mint = _Mint(store)
        self._default = default
        self._clock = clock
        self._kept: dict[str, _Leaf] = {}
        self._others: dict[str, _Leaf] = {}
        self._second, self._minted = 0, 0
        self.keep([default])

    def follow(self, files: Iterable[Path]) -> list[str]:
        """Reads those of the operator's files that are new or were changed. Returns what is wrong with those that
        cannot be used, once for each change: what they held before is used on."""
        stamps = {path: _stamp(path) for path in files}
        if stamps == self._stamps:
            return []
        changed = [path for path, stamp in stamps.items() if stamp != self._stamps.get(path)]
        self._stamps, wrong = stamps, []
        for path in changed:
            try:
                self._own[path] = _given(path)
            except CertificateError as error:
                wrong.append(str(error))
        self._own = {path: self._own[path] for path in stamps if path in self._own}
        self._given = {}
        for context, names in self._own.values():
            self._given |= {name: context for name in names if name not in self._given}
        return wrong

    def renew(self) -> list[str]:
        """Other keys for session tickets, which no client has tickets of, and what `follow` does. In the process that
        workers are forked from, before they are: each would have keys of its own."""
        self.base = _context()
        return self.follow(tuple(self._stamps))

    def keep(self, names: Iterable[str]) -> None:
        """Makes the certificates of these names now, 2.3 ms each, and drops them never."""
        for name in names:
            if name not in self._kept:
                self._kept[name] = self._mint.leaf((name,), self._clock())

    def context(self, name: str, address: str = "") -> ssl.SSLContext:
        """For a host name in lower case, or an empty one; a client that names none may have called this `address` of
        the proxy, and expect it in the certificate beside the default."""
        names = (name,) if name else (address, self._default) if address else (self._default,)
        for each in names:
            plain = each.removesuffix(".")
            if given := self._given.get(plain) or self._given.get("*." + plain.partition(".")[2]):
                return given
        called = names[0]
        now = self._clock()
        if kept := self._kept.get(called):
            if now >= kept.renewed_at:
                kept = self._kept[called] = self._mint.leaf((called,), now)
            return kept.context
        leaf = self._others.pop(called, None)
        if leaf is None or now >= leaf.renewed_at:
            if not self._may_mint(now):
                return self.context(self._default)
            leaf = self._mint.leaf(names, now)
        self._others[called] = leaf
        if len(self._others) > MOST_NAMES:
            del self._others[next(iter(self._others))]
        return leaf.context

    def _may_mint(self, now: float) -> bool:
        if self._second != int(now):
            self._second, self._minted = int(now), 0
        self._minted += 1
        return self._minted <= MINTS_PER_SECOND


class _Mint:
    """mitmproxy's authority, and the one key of all certificates that this class makes."""

    def __init__(self, store: certs.CertStore) -> None:
        self._store = store
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._secret = _pem(self._key)
        chain = store.default_chain_certs if store.default_chain_file else []
        self._chain = b"".join(cert.to_pem() for cert in chain)

    def leaf(self, names: tuple[str, ...], now: float) -> _Leaf:
        """Two certificates: OpenSSL sends that of mitmproxy's own making, on RSA, to a client that cannot do with
        P-256."""
        context = _context()
        begin = datetime.datetime.fromtimestamp(now, datetime.UTC) + certs.CERT_VALIDITY_OFFSET
        cert = self._signed(names, begin)
        _load(context, self._secret + cert.public_bytes(Encoding.PEM) + self._chain)
        if isinstance(key := self._store.default_privatekey, rsa.RSAPrivateKey):
            ca = self._store.default_ca.to_cryptography()
            other = certs.dummy_cert(key, ca, names[0], map(_general_name, names))
            _load(context, _pem(key) + other.to_pem() + self._chain)
        return _Leaf(context, cert.not_valid_after_utc.timestamp() - _RENEWED_BEFORE_S)

    def _signed(self, names: tuple[str, ...], begin: datetime.datetime) -> x509.Certificate:
        """As `mitmproxy.certs.dummy_cert`, which knows no other key than the authority's."""
        ca = self._store.default_ca.to_cryptography()
        common = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if len(names[0]) < 64 else []
        try:
            issuer = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)
        except x509.ExtensionNotFound:
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(
                self._store.default_privatekey.public_key()
            )
        return (
            x509.CertificateBuilder(
                ca.subject, x509.Name(common), self._key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(begin)
            .not_valid_after(begin + certs.CERT_EXPIRY)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=not common)
            .add_extension(identifier, critical=False)
            .sign(self._store.default_privatekey, hashes.SHA256())
        )


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = _CONNECTION_TICKETS
    return context


def _stamp(path: Path) -> tuple[int, ...]:
    """Another one when the file is; empty when there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _given(path: Path) -> tuple[ssl.SSLContext, list[str]]:
    """The operator's certificate and the hosts that it is for. Raises CertificateError."""
    context = _context()
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(path, password="")
        cert = x509.load_pem_x509_certificate(path.read_bytes())
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ssl.SSLError, ValueError) as error:
        reason = (error.reason if isinstance(error, ssl.SSLError) else None) or error
        raise CertificateError(
            f"{path}: not PEM of a server's certificate, its chain in order, and its key without a password "
            f"({reason}); put these into the file, or take it out of [proxy] certificates"
        ) from error
    except OSError as error:
        raise CertificateError(
            f"{path}: cannot be read ({error.strerror}); let the proxy read it, or correct [proxy] certificates"
        ) from error
    except x509.ExtensionNotFound as error:
        raise CertificateError(
            f"{path}: the certificate names no host (subjectAltName); have one issued that does, or take it out of "
            "[proxy] certificates"
        ) from error
    hosts = [str(name.value).lower() for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]
    return context, hosts


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """`ssl` reads certificates from files alone. This one is memory without a name: no key gets on a disk, and
    nothing is left when the process dies half-way."""
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
