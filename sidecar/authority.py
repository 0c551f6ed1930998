"""The command `holdover ca`: what clients of https have to trust, and for which hosts."""

import argparse
import hashlib
import json
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdover.config import Config

from .command import CommandError, configured

CERTIFICATE, KEY = "mitmproxy-ca-cert.pem", "mitmproxy-ca.pem"
"""As mitmproxy names them."""


@dataclass(frozen=True, slots=True)
class Told:
    """`only` are the domains that the authority itself is limited to; empty when it is good for any host. `own` are
    the operator's certificates, each with its hosts. `exposed`: others than its owner may read its key."""

    file: str
    sha256: str
    spki_sha256: str
    valid_until: str
    only: list[str]
    hosts: list[str]
    own: dict[str, list[str]]
    exposed: bool


def ca(options: argparse.Namespace) -> str:
    """Raises CommandError."""
    told = tell(configured(options))
    return json.dumps(asdict(told), indent=2) if options.json else as_text(told)


def tell(config: Config) -> Told:
    """Raises CommandError."""
    file, key = config.ca_folder / CERTIFICATE, config.ca_folder / KEY
    cert = _read(file, f"the first start of the proxy makes it in {config.ca_folder}")
    public = cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Told(
        str(file),
        cert.fingerprint(SHA256()).hex(":").upper(),
        hashlib.sha256(public).hexdigest(),
        cert.not_valid_after_utc.isoformat(),
        _permitted(cert),
        config.rules.hosts,
        {str(path): _names(_read(path, "correct [proxy] certificates")) for path in config.certificates},
        key.exists() and bool(stat.S_IMODE(key.stat().st_mode) & 0o077),
    )


def as_text(told: Told) -> str:
    limits = (
        f"It is limited to {', '.join(told.only)} and what lies below."
        if told.only
        else "Clients that trust it believe it for any host: guard its key. docs/security.md tells how to limit it."
    )
    lines = [
        "Clients that call by https have to trust this certificate, and nothing else of holdover's:",
        f"  {told.file}",
        f"  SHA-256 of the certificate  {told.sha256}",
        f"  SHA-256 of its public key   {told.spki_sha256}",
        f"  valid until                 {told.valid_until}",
        limits,
        "They call these hosts through holdover:",
        *(f"  {host}" for host in told.hosts),
    ]
    for path, hosts in told.own.items():
        lines.append(f"{path} is used for {', '.join(hosts)}; whoever calls these trusts what issued it.")
    if told.exposed:
        lines.append(
            f"warning: others may read the key in {Path(told.file).parent / KEY}; take it from them with chmod 600, "
            "and have a new authority made if any did"
        )
    return "\n".join(lines)


def _read(path: Path, remedy: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path}: there is no certificate ({error.strerror}); {remedy}") from error
    except ValueError as error:
        raise CommandError(f"{path}: not a certificate in PEM form; {remedy}") from error


def _permitted(cert: x509.Certificate) -> list[str]:
    try:
        constraints = cert.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return []
    return [name.value for name in constraints.permitted_subtrees or () if isinstance(name, x509.DNSName)]


def _names(cert: x509.Certificate) -> list[str]:
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]
