import datetime
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from mitmproxy.certs import CertStore, dummy_cert

from addons.certificates import MINTS_PER_SECOND, MOST_NAMES, CertificateError, Certificates, authority
from addons.termination import Buffers, Termination
from tests.addons.endpoint import HOST, Client, serving

DAY = 86_400


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def presented(certificates, name, context, address=""):
    """The certificate that a client gets which says this name, or says none."""
    client = Client(context, name)
    client.shake(Termination(certificates, Buffers(), address))
    return client.certificate


def heedless() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def named(certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


LONG = ".".join(["x" * 30] * 3) + ".example"


@pytest.mark.parametrize("name", [HOST, "a_b.example", LONG, "trailing.example."])
def test_all_but_the_key_is_as_mitmproxy_writes_it(certificates, store, name):
    made = presented(certificates, name, heedless())
    ca = store.default_ca.to_cryptography()
    theirs = dummy_cert(store.default_privatekey, ca, name, [x509.DNSName(name)]).to_cryptography()
    assert (made.subject, made.issuer, made.version) == (theirs.subject, theirs.issuer, theirs.version)
    assert {(each.oid, each.critical, each.value) for each in made.extensions} == {
        (each.oid, each.critical, each.value) for each in theirs.extensions
    }
    now = datetime.datetime.now(datetime.UTC)
    assert made.not_valid_before_utc < now - datetime.timedelta(days=1)
    lasts = made.not_valid_after_utc - made.not_valid_before_utc
    assert lasts == theirs.not_valid_after_utc - theirs.not_valid_before_utc
    key = made.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


@pytest.mark.parametrize(
    "ciphers", ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA", "AES128-GCM-SHA256", "AES128-SHA"]
)
def test_a_client_without_p256_gets_the_certificate_of_mitmproxys_own_making(certificates, trusting, ciphers):
    context = trusting(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(ciphers)
    assert isinstance(presented(certificates, HOST, context).public_key(), rsa.RSAPublicKey)


def with_chain(folder, store) -> CertStore:
    """The authority with a root above it in its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    root = issued("Root", key, "Root", key, authority=True)
    ca = issued("Middle", store.default_privatekey, "Root", key, authority=True)
    secret = store.default_privatekey.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "mitmproxy-ca.pem").write_bytes(secret + ca + root)
    (folder / "root.pem").write_bytes(root)
    return authority(folder)


def issued(name, key, issuer, issuer_key, hosts=(), *, authority=False, days=1) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    subject, signer = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in (name, issuer))
    builder = (
        x509.CertificateBuilder(signer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, hosts))), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def sent_chain(certificates, name=HOST) -> list[str]:
    """Common names of what the server sends, as openssl shows it."""
    with serving(certificates) as port:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-showcerts"]
        shown = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return [line.partition("CN = ")[2].partition(",")[0] for line in shown.stdout.splitlines() if " s:" in line]


def test_the_chain_is_the_certificate_alone_under_an_authority_that_clients_know(certificates):
    assert sent_chain(certificates) == [HOST]


def test_the_chain_has_what_the_authoritys_file_has_above_it(store, tmp_path):
    certificates = Certificates(with_chain(tmp_path, store), HOST)
    assert sent_chain(certificates) == [HOST, "Middle", "Root"]
    trusting = ssl.create_default_context(cafile=str(tmp_path / "root.pem"))
    assert named(presented(certificates, HOST, trusting)) == [HOST]


def pem(path, hosts, *, days=1, key=None, order="secret leaf", password=None):
    """An operator's file; returns it."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    parts = {
        "secret": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption),
        "leaf": issued(path.stem, key, path.stem, key, hosts, days=days),
        "chain": issued("Upper", ec.generate_private_key(ec.SECP256R1()), "Upper", key, authority=True),
    }
    path.write_bytes(b"".join(parts[name] for name in order.split()))
    return path


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("one.example", "first"),
        ("ONE.example", "first"),
        ("one.example.", "first"),
        ("a.wild.example", "first"),
        ("both.example", "first"),
        ("two.example", "second"),
        ("wild.example", None),
        ("a.b.wild.example", None),
        ("none.example", None),
        (None, None),
    ],
)
def test_the_operators_certificates_serve_the_hosts_that_they_name(store, tmp_path, name, by):
    files = [
        pem(tmp_path / "first.pem", ["One.example", "*.wild.example", "both.example"]),
        pem(tmp_path / "second.pem", ["two.example", "both.example"]),
    ]
    common = presented(Certificates(store, HOST, files), name, heedless()).subject.rfc4514_string()
    assert common == f"CN={by or name or HOST}"


@pytest.mark.parametrize("address", ["", "192.0.2.7"])
def test_the_operators_certificate_of_the_default_serves_who_names_no_host(store, tmp_path, address):
    certificates = Certificates(store, HOST, [pem(tmp_path / "own.pem", [HOST])])
    assert presented(certificates, None, heedless(), address).subject.rfc4514_string() == "CN=own"


def test_a_chain_of_the_operators_is_sent(store, tmp_path):
    files = [pem(tmp_path / "own.pem", [HOST], order="leaf chain secret")]
    assert sent_chain(Certificates(store, HOST, files)) == ["own", "Upper"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path, "cannot be read (No such file or directory)"),
        (lambda path: path.mkdir(), "cannot be read (Is a directory)"),
        (lambda path: path.write_bytes(b""), "not PEM"),
        (lambda path: path.write_bytes(b"\x30\x82\x00"), "not PEM"),
        (lambda path: pem(path, [HOST], order="leaf"), "not PEM"),
        (lambda path: pem(path, [HOST], order="secret"), "not PEM"),
        (lambda path: pem(path, [HOST], order="secret chain leaf"), "KEY_VALUES_MISMATCH"),
        (lambda path: pem(path, [HOST], password=b"secret"), "without a password"),
        (lambda path: pem(path, [HOST], key=rsa.generate_private_key(65537, 1024)), "KEY_TOO_SMALL"),
        (lambda path: pem(path, []), "names no host"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_remedy(store, tmp_path, make, reason):
    path = tmp_path / "own.pem"
    make(path)
    with pytest.raises(CertificateError) as caught:
        Certificates(store, HOST, [path])
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert reason in text
    assert "[proxy] certificates" in text


def test_a_file_that_was_changed_is_read_anew_and_one_that_cannot_be_used_changes_nothing(store, tmp_path):
    path, more = pem(tmp_path / "own.pem", [HOST]), tmp_path / "more.pem"
    certificates = Certificates(store, HOST, [path])
    first = presented(certificates, HOST, heedless())
    assert certificates.follow([path]) == []
    assert presented(certificates, HOST, heedless()) == first
    path.write_bytes(b"half of")
    [wrong] = certificates.follow([path])
    assert wrong.startswith(f"{path}: not PEM")
    assert "[proxy] certificates" in wrong
    assert certificates.follow([path]) == [], "it is said once"
    assert presented(certificates, HOST, heedless()) == first
    path.unlink()
    assert "cannot be read" in certificates.follow([path])[0]
    assert presented(certificates, HOST, heedless()) == first
    pem(path, [HOST])
    pem(more, ["more.example"])
    assert certificates.follow([path, more]) == []
    second = presented(certificates, HOST, heedless())
    assert (second.subject, second == first) == (first.subject, False)
    assert presented(certificates, "more.example", heedless()).subject.rfc4514_string() == "CN=more"
    assert certificates.follow([more]) == []
    assert presented(certificates, HOST, heedless()).subject.rfc4514_string() == f"CN={HOST}"


def test_the_key_is_its_owners_alone(ca_folder, tmp_path):
    for name in ("mitmproxy-ca.pem", "mitmproxy-ca-cert.pem"):
        (tmp_path / name).write_bytes((ca_folder / name).read_bytes())
        (tmp_path / name).chmod(0o644)
    tmp_path.chmod(0o777)
    authority(tmp_path)
    assert stat.S_IMODE((tmp_path / "mitmproxy-ca.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755, "nobody puts another in its place"
    made = tmp_path / "new"
    before = os.umask(0)
    try:
        authority(made)
    finally:
        os.umask(before)
    assert stat.S_IMODE((made / "mitmproxy-ca.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_an_authority_that_cannot_be_used_is_told_with_its_remedy(tmp_path, content):
    (tmp_path / "mitmproxy-ca.pem").write_bytes(content)
    with pytest.raises(CertificateError, match=r"mitmproxy-ca\.pem: .*restore the file, or move"):
        authority(tmp_path)


def test_a_certificate_is_made_once_and_again_before_it_ends(store, clock):
    certificates = Certificates(store, HOST, clock=clock)
    certificates.keep(["kept.example"])
    names = (HOST, "kept.example", "other.example")
    first = {name: presented(certificates, name, heedless()) for name in names}
    clock.now += 100 * DAY
    assert {name: presented(certificates, name, heedless()) for name in names} == first
    clock.now += 90 * DAY
    for name in names:
        renewed = presented(certificates, name, heedless())
        assert renewed != first[name]
        assert renewed.not_valid_after_utc.timestamp() > clock.now + 100 * DAY


def test_names_beyond_the_bound_push_out_the_longest_unused_and_never_those_kept(store, clock):
    certificates = Certificates(store, HOST, clock=clock)
    certificates.keep(["kept.example"])
    kept, used = (certificates.context(name) for name in ("kept.example", "used.example"))
    unused = certificates.context("unused.example")
    for number in range(MOST_NAMES):
        clock.now += 1
        certificates.context(f"{number}.example")
        assert certificates.context("used.example") is used
    assert len(certificates._others) == MOST_NAMES
    assert certificates.context("kept.example") is kept
    clock.now += 1
    assert certificates.context("unused.example") is not unused


def test_more_new_names_in_a_second_than_the_bound_get_the_default(store, clock):
    clock.now = float(int(clock.now))
    certificates = Certificates(store, HOST, clock=clock)
    default = certificates.context(HOST)
    made = [certificates.context(f"{number}.example") for number in range(MINTS_PER_SECOND + 5)]
    assert [context is default for context in made] == [False] * MINTS_PER_SECOND + [True] * 5
    assert certificates.context("0.example") is made[0]
    certificates.keep(["kept.example"])
    assert certificates.context("kept.example") is not default
    clock.now += 1
    assert certificates.context(f"{MINTS_PER_SECOND}.example") is not default


def test_no_descriptor_stays_open(store):
    before = len(list(Path("/proc/self/fd").iterdir()))
    Certificates(store, HOST).keep([f"{number}.example" for number in range(5)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


NODE = """
const [ca, port] = process.argv.slice(1);
const request = require("https").get({host: "127.0.0.1", port, servername: "%s", headers: {Host: "%s"},
  ca: require("fs").readFileSync(ca)}, answer => answer.pipe(process.stdout));
request.on("error", error => { console.error(error); process.exit(1); });
"""
REQUESTS = """
import sys, socket, requests
dial = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: dial("127.0.0.1", *rest, **more)
print(requests.get(f"https://%s:{sys.argv[2]}/", verify=sys.argv[1], timeout=30).text, end="")
"""
JAVA = """
import java.net.URI; import java.net.http.*; import java.nio.file.*; import java.security.KeyStore;
import javax.net.ssl.*; import java.security.cert.CertificateFactory;
class Ask { public static void main(String[] words) throws Exception {
  KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType()); trusted.load(null);
  trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(
    Files.newInputStream(Path.of(words[0]))));
  TrustManagerFactory managers = TrustManagerFactory.getInstance("PKIX"); managers.init(trusted);
  SSLContext context = SSLContext.getInstance("TLS"); context.init(null, managers.getTrustManagers(), null);
  SSLSocket line = (SSLSocket) context.getSocketFactory().createSocket(
    new java.net.Socket("127.0.0.1", Integer.parseInt(words[1])), "%s", 443, true);
  SSLParameters parameters = line.getSSLParameters(); parameters.setEndpointIdentificationAlgorithm("HTTPS");
  line.setSSLParameters(parameters);
  line.getOutputStream().write("GET / HTTP/1.1\\r\\n\\r\\n".getBytes());
  byte[] read = new byte[1000]; int size = line.getInputStream().read(read);
  System.out.print(new String(read, size - 4, 4)); } }
"""


def command_of(client, ca, port, folder):
    match client:
        case "curl":
            to = ["--connect-to", f"{HOST}:443:127.0.0.1:{port}"]
            return ["curl", "-sS", "--cacert", ca, *to, f"https://{HOST}/"]
        case "node":
            return ["node", "-e", NODE % (HOST, HOST), ca, port]
        case "requests":
            return [sys.executable, "-c", REQUESTS % HOST, ca, port]
    (folder / "Ask.java").write_text(JAVA % HOST)
    return ["java", str(folder / "Ask.java"), ca, port]


@pytest.mark.parametrize("client", ["curl", "node", "requests", "java"])
def test_clients_that_trust_the_authority_accept_what_it_signs(certificates, ca_folder, tmp_path, client):
    if client != "requests" and shutil.which(client) is None:
        pytest.skip(f"{client} is not installed")
    with serving(certificates) as port:
        command = command_of(client, str(ca_folder / "mitmproxy-ca-cert.pem"), str(port), tmp_path)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("odds", 0), done.stderr


def test_a_client_that_dials_the_address_may_check_it(certificates, trusting):
    with serving(certificates) as port:
        plain = socket.create_connection(("127.0.0.1", port), 30)
        with trusting().wrap_socket(plain, server_hostname="127.0.0.1") as line:
            assert line.version() == "TLSv1.3"
