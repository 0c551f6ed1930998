"""What clients of https are told to trust, and that it is enough."""

import datetime
import json
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from addons.certificates import authority
from scripts.rig import HOST, Emulator, House, running, write_house
from tests.e2e.wire import ask, dial, encrypted, fresh_target, trusting
from tests.here import run


@pytest.fixture
def written(shared_provider: Emulator, tmp_path: Path) -> House:
    return write_house(tmp_path, shared_provider.url, window_s=3600, max_stale_s=7200)


def test_before_the_first_start_there_is_none(written: House):
    done = run(written, "ca")
    assert done.returncode == 1
    assert f"{written.ca}: there is no certificate" in done.stderr
    assert "the first start of the proxy makes it" in done.stderr


def test_it_is_told_with_fingerprints_and_hosts(written: House):
    authority(written.ca.parent)
    told = json.loads(run(written, "ca", "--json").stdout)
    cert = x509.load_pem_x509_certificate(written.ca.read_bytes())
    assert told["file"] == str(written.ca)
    assert told["sha256"].replace(":", "").lower() == cert.fingerprint(hashes.SHA256()).hex()
    assert (told["hosts"], told["only"], told["exposed"]) == ([HOST], [], False)
    text = run(written, "ca").stdout
    assert f"  {HOST}\n" in text
    assert "warning" not in text


def test_a_key_that_others_may_read_is_told(written: House):
    authority(written.ca.parent)
    written.ca.with_name("mitmproxy-ca.pem").chmod(0o644)
    assert "chmod 600" in run(written, "ca").stdout


def limited(folder: Path, domain: str) -> None:
    """An authority that is good for hosts of one domain alone."""
    folder.mkdir(parents=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "limited")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.NameConstraints([x509.DNSName(domain)], None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = cert.public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "mitmproxy-ca.pem").write_bytes(secret + pem)
    (folder / "mitmproxy-ca.pem").chmod(0o600)
    (folder / "mitmproxy-ca-cert.pem").write_bytes(pem)


def test_an_authority_limited_to_a_domain_serves_it_and_no_other(written: House):
    limited(written.ca.parent, "the-odds-api.com")
    assert json.loads(run(written, "ca", "--json").stdout)["only"] == ["the-odds-api.com"]
    with running(written):
        line = encrypted(dial(written.ports["reverse"]), trusting(written), HOST)
        assert ask(line, fresh_target()).status == 200
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
            encrypted(dial(written.ports["reverse"]), trusting(written), "api.bank.example")
