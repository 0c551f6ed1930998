import socket
import ssl
import subprocess
import sys

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from addons.termination import Broken, Buffers, Termination
from tests.addons.endpoint import ANSWER, HOST, Client

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
REQUEST = b"GET /v4/sports HTTP/1.1\r\nHost: api.odds.example\r\n\r\n"
each_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(params=VERSIONS)
def pair(request, accepted, trusting):
    """An established connection: client and server."""
    client, server = Client(trusting(request.param)), accepted()
    client.shake(server)
    return client, server


def names_in(certificate):
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


@each_version
def test_bytes_go_both_ways_once_the_handshake_is_done(accepted, trusting, version):
    context = trusting(version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    client, server = Client(context), accepted()
    assert not server.established
    client.shake(server)
    assert (server.name, server.resumed, server.closed, server.broken) == (HOST, False, False, None)
    assert client.tls.selected_alpn_protocol() == "http/1.1"
    for _ in range(3):
        assert server.receive(client.sealed(REQUEST)) == REQUEST
        assert server.outgoing() == b""
        assert client.opened(b"".join(server.send(ANSWER))) == ANSWER


@each_version
def test_pieces_of_a_byte_are_as_good_as_whole_flights(accepted, trusting, version):
    client, server = Client(trusting(version)), accepted()
    received = b""
    while sent := client.step(received):
        for at in range(len(sent)):
            assert server.receive(sent[at : at + 1]) == b""
        received = server.outgoing()
    sealed = client.sealed(REQUEST)
    assert [server.receive(sealed[at : at + 1]) for at in range(len(sealed))] == [b""] * (len(sealed) - 1) + [REQUEST]


def test_a_request_right_behind_the_handshake_is_received_with_it(accepted, trusting):
    client, server = Client(trusting()), accepted()
    server.receive(client.step())
    last = client.step(server.outgoing())
    assert not server.established
    assert server.receive(last + client.sealed(REQUEST)) == REQUEST
    assert server.established
    assert client.opened(b"".join(server.send(ANSWER))) == ANSWER
    assert client.tls.session is not None
    assert client.tls.session.has_ticket


def test_several_records_in_one_feed_and_a_part_of_the_next(pair):
    client, server = pair
    records = [client.sealed(b"%d" % number) for number in range(5)]
    assert server.receive(b"".join(records[:4]) + records[4][:10]) == b"0123"
    assert server.receive(records[4][10:]) == b"4"


def test_a_record_that_comes_in_halves_is_read_to_its_end(pair):
    client, server = pair
    plain = bytes(range(256)) * 64
    sealed = client.sealed(plain)
    assert server.receive(sealed[:12_000]) + server.receive(sealed[12_000:]) == plain


@pytest.mark.parametrize("size", [1, 16_384, 16_385, 65_536, 65_537, 420_000])
def test_what_is_larger_than_a_record(pair, size):
    client, server = pair
    plain = bytes(range(251)) * (size // 251 + 1)
    plain = plain[:size]
    assert server.receive(client.sealed(plain)) == plain
    chunks = server.send(b"head", b"", plain)
    assert client.opened(b"".join(chunks)) == b"head" + plain
    assert all(0 < len(chunk) <= 66_000 for chunk in chunks)


def test_nothing_to_send_is_nothing(pair):
    client, server = pair
    assert b"".join(server.send()) == b"".join(server.send(b"", b"")) == b""
    assert client.opened(b"".join(server.send(ANSWER))) == ANSWER


def test_the_client_closes_and_may_still_read(pair):
    client, server = pair
    assert server.receive(client.sealed(REQUEST) + client.closing()) == REQUEST
    assert server.closed
    assert server.broken is None
    answer = b"".join(server.send(ANSWER))
    assert client.opened(answer + server.close()) == ANSWER
    assert server.close() == b""


def test_the_server_closes_and_the_client_follows(pair):
    client, server = pair
    unread = client.sealed(REQUEST)
    assert client.opened(server.close()) == b""
    assert server.receive(unread) == REQUEST
    assert not server.closed
    assert server.receive(client.closing()) == b""
    assert (server.closed, server.broken) == (True, None)


def test_closing_before_the_handshake_says_nothing(accepted, trusting):
    server = accepted()
    assert server.close() == b""
    server.receive(Client(trusting()).step()[:40])
    assert (server.close(), server.send(ANSWER)) == (b"", [])


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x00\x04garbage", b"\x16\x03\x01\xff\xff" + b"x" * 100, REQUEST])
def test_garbage_instead_of_a_hello_is_an_outcome(accepted, garbage):
    server = accepted()
    assert server.receive(garbage) == b""
    assert isinstance(server.broken, Broken)
    assert server.broken.during == "handshake"
    assert server.outgoing()[:1] in (b"\x15", b"")
    assert (server.receive(garbage), server.send(ANSWER), server.close()) == (b"", [], b"")


def test_a_client_that_does_not_trust_the_authority_is_an_outcome_with_its_reason(accepted):
    client, server = Client(ssl.create_default_context()), accepted()
    server.receive(client.step())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.step(server.outgoing())
    server.receive(client._out.read())
    assert server.broken == Broken("handshake", "TLSV1_ALERT_UNKNOWN_CA")


def test_versions_before_1_2_are_refused_with_an_alert(accepted):
    context = ssl.create_default_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    server = accepted()
    server.receive(Client(context).step())
    assert server.broken == Broken("handshake", "UNSUPPORTED_PROTOCOL")
    assert server.outgoing()[:1] == b"\x15"


def test_a_broken_record_ends_its_connection_alone(pair, accepted, trusting):
    client, server = pair
    other_client, other = Client(trusting()), accepted()
    other_client.shake(other)
    good, bad, behind = (client.sealed(plain) for plain in (b"good", b"bad", b"behind"))
    assert server.receive(good + bad[:-1] + b"\x00\x01" + behind) == b"good"
    assert server.broken is not None
    assert server.broken.during == "records"
    assert server.outgoing()
    first = server.broken
    assert (server.receive(behind), server.send(ANSWER), server.close()) == (b"", [], b"")
    assert server.broken is first
    assert other.receive(other_client.sealed(REQUEST)) == REQUEST
    assert other_client.opened(b"".join(other.send(ANSWER))) == ANSWER


@each_version
def test_many_handshakes_at_once_share_their_buffers(accepted, trusting, version):
    context = trusting(version)
    clients = [Client(context) for _ in range(20)]
    servers = [accepted() for _ in clients]
    for _ in range(3):
        flights = [client.step(server.outgoing()) for client, server in zip(clients, servers, strict=True)]
        for part in (slice(20), slice(20, None)):
            for flight, server in zip(flights, servers, strict=True):
                server.receive(flight[part])
    for client, server in zip(clients, servers, strict=True):
        assert server.receive(client.sealed(REQUEST)) == REQUEST
        assert client.opened(b"".join(server.send(ANSWER))) == ANSWER


@each_version
def test_sessions_are_resumed_under_every_name(accepted, trusting, version):
    context = trusting(version)
    for name in (HOST, "other.example", "odds.other.example"):
        first, server = Client(context, name), accepted()
        first.shake(server)
        first.opened(b"".join(server.send(ANSWER)))
        client, server = Client(context, name, first.tls.session), accepted()
        client.shake(server)
        assert (server.resumed, client.tls.session_reused, server.name) == (True, True, name)
        assert server.receive(client.sealed(REQUEST)) == REQUEST


FORKED = """
import os, socket, sys
from pathlib import Path
from addons.certificates import Certificates, authority
from tests.addons.endpoint import HOST, serve
certificates = Certificates(authority(Path(sys.argv[1])), HOST)
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
children = []
for listener in listeners:
    child = os.fork()
    if not child:
        serve(listener, certificates)
        os._exit(0)
    children.append(child)
print(*(listener.getsockname()[1] for listener in listeners), flush=True)
sys.stdin.read()
for child in children:
    os.kill(child, 9)
    os.waitpid(child, 0)
"""


@each_version
def test_renewed_keys_end_old_tickets(accepted, certificates, trusting, version):
    context = trusting(version)
    first, server = Client(context, HOST), accepted()
    first.shake(server)
    first.opened(server.outgoing())
    certificates.renew()
    for resumed in (False, True):
        client, server = Client(context, HOST, first.tls.session), accepted()
        client.shake(server)
        assert (server.resumed, client.tls.session_reused) == (resumed, resumed)
        client.opened(server.outgoing())
        first = client


@each_version
def test_a_session_of_one_process_is_resumed_by_another(ca_folder, trusting, version):
    command = [sys.executable, "-c", FORKED, str(ca_folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        ports = [int(port) for port in parent.stdout.readline().split()]
        context = trusting(version)
        # Made by one process after the fork; the other one makes its own.
        for name in (HOST, "made.later.example"):
            session, reused = None, []
            for port in (ports[0], ports[1], ports[1], ports[0]):
                plain = socket.create_connection(("127.0.0.1", port), 30)
                with context.wrap_socket(plain, server_hostname=name, session=session) as line:
                    line.sendall(REQUEST)
                    assert line.recv(1000) == ANSWER
                    reused.append(line.session_reused)
                    session = line.session
            assert reused == [False, True, True, True]
        parent.stdin.close()
        parent.wait(30)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flight_however_damaged_raises(certificates, trusting, data):
    client, server = Client(trusting()), Termination(certificates, Buffers())
    steps = data.draw(st.integers(0, 2))
    received = b""
    for _ in range(steps):
        server.receive(client.step(received))
        received = server.outgoing()
    flight = bytearray(client.step(received) if steps < 2 else client.sealed(REQUEST))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(flight) - 1), st.integers(0, 255)), max_size=4)):
        flight[at] = value
    cut = data.draw(st.integers(0, len(flight)))
    server.receive(bytes(flight[:cut]))
    server.receive(bytes(flight[cut:]) + data.draw(st.binary(max_size=30)))
    server.send(ANSWER)
    server.outgoing()
    server.close()


@pytest.mark.parametrize("name", ["ödds.example", "a b", "a..b", "-" * 64, "::1", ".", "y." * 127 + "y"])
def test_a_name_that_no_host_has_gets_the_default_and_leaves_no_traceback(accepted, trusting, capfd, name):
    hello = Client(trusting(), "name-to-replace.example").step()
    server = accepted()
    server.receive(with_name(hello, name.encode()))
    assert (server.name, server.broken) == ("", None)
    assert server.outgoing()[:1] == b"\x16"
    assert capfd.readouterr() == ("", "")


def with_name(hello: bytes, name: bytes) -> bytes:
    """The same hello with this name in the place of `name-to-replace.example`."""
    old = b"name-to-replace.example"
    at = hello.index(old)
    grown = len(name) - len(old)
    head, tail = bytearray(hello[:at]), hello[at + len(old) :]
    extensions = 5 + 4 + 34
    extensions += 1 + hello[extensions]
    extensions += 2 + int.from_bytes(hello[extensions : extensions + 2])
    extensions += 1 + hello[extensions]
    for place, size in ((3, 2), (6, 3), (extensions, 2), (at - 7, 2), (at - 5, 2), (at - 2, 2)):
        head[place : place + size] = (int.from_bytes(head[place : place + size]) + grown).to_bytes(size)
    return bytes(head) + name + tail


def test_a_client_that_names_no_host_gets_the_default_and_the_address_it_called(accepted, trusting):
    context = trusting()
    context.check_hostname = False
    client, server = Client(context, None), accepted("192.0.2.7")
    client.shake(server)
    assert server.name == ""
    assert [str(name.value) for name in names_in(client.certificate)] == ["192.0.2.7", HOST]
