import ssl
from collections.abc import AsyncIterator

import pytest
from mitmproxy.certs import CertStore

from addons.certificates import Certificates, authority
from addons.termination import Buffers, Termination
from tests.addons.endpoint import HOST
from tests.addons.inside import Inside, inside


@pytest.fixture(scope="session")
def ca_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ca")
    authority(folder)
    return folder


@pytest.fixture(scope="session")
def store(ca_folder) -> CertStore:
    return authority(ca_folder)


@pytest.fixture(scope="session")
def certificates(store) -> Certificates:
    return Certificates(store, HOST)


@pytest.fixture
def trusting(ca_folder):
    """Makes the TLS of a client that trusts this authority alone."""

    def make(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(ca_folder / "mitmproxy-ca-cert.pem"))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.minimum_version = context.maximum_version = version
        return context

    return make


@pytest.fixture
def accepted(certificates):
    """Makes connections that share their buffers."""
    buffers = Buffers()
    yield lambda address="": Termination(certificates, buffers, address)
    assert buffers.incoming.pending == buffers.outgoing.pending == 0


@pytest.fixture
async def house(tmp_path, ca_folder, monkeypatch) -> AsyncIterator[Inside]:
    """A proxy in this very process, which looks often for who takes too long."""
    monkeypatch.setattr("addons.fast_lane.SWEEP_S", 0.05)
    async with inside(tmp_path, ca_folder) as made:
        yield made
