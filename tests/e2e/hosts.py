"""Interposition as by a hosts file and a port redirection, for client processes that know nothing of it."""

import os
from pathlib import Path

from scripts.rig import HOST, House

_PYTHON = """
import os
import socket

_host, _port = os.environ["INTERPOSED"].rsplit(":", 1)
_real = socket.getaddrinfo


def getaddrinfo(host, port, *rest, **named):
    name = host.decode() if isinstance(host, bytes) else host
    return _real("127.0.0.1", int(_port), *rest, **named) if name == _host else _real(host, port, *rest, **named)


socket.getaddrinfo = getaddrinfo
"""

_NODE = """
const dns = require("node:dns");
const real = dns.lookup;
const interposed = process.env.INTERPOSED.split(":")[0];
dns.lookup = (host, ...rest) => real(host === interposed ? "127.0.0.1" : host, ...rest);
"""


def interposed(house: House, folder: Path) -> dict[str, str]:
    """The environment of a client for which the provider's name leads to the house's reverse listener. Python
    clients are led there from every port, Node's by name alone."""
    (folder / "sitecustomize.py").write_text(_PYTHON)
    (folder / "hosts.cjs").write_text(_NODE)
    ca = str(house.ca)
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {
        **kept,
        **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"), ca),
        "INTERPOSED": f"{HOST}:{house.ports['reverse']}",
        "PYTHONPATH": str(folder),
    }
