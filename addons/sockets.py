"""Listening sockets, opened before processes are forked that all accept from them."""

import errno
import socket
from contextlib import suppress

from holdover.settings import split_address

BACKLOG = 4096

_REMEDIES = {
    errno.EADDRINUSE: "stop what listens there, or choose another address",
    errno.EACCES: "ports below 1024 need the capability CAP_NET_BIND_SERVICE; grant it, or choose another port",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address; choose one that it has",
}
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def opened(address: str, setting: str) -> list[socket.socket]:
    """Non-blocking, one for each address of the host. `setting` is where the address comes from.

    Raises OSError with a sentence. Without SO_REUSEPORT: with it, a second holdover on the same address would be no
    error but get half of the connections. The port is free for another as soon as the processes stop listening, and
    they do that before they drain."""
    host, port = split_address(address)
    found: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, kind, protocol, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                found.append(_listening(family, kind, protocol, where))
            except OSError as error:
                # A name may have an address of a family that this machine is without.
                if error.errno not in _ABSENT:
                    raise
                missing = error
        if missing and not found:
            raise missing
    except OSError as error:
        for one in found:
            one.close()
        raise _sentence(error, address, setting) from error
    return found


def check_free(address: str, setting: str) -> None:
    """Raises OSError with a sentence where a process could not listen."""
    for one in opened(address, setting):
        one.close()


def _listening(
    family: socket.AddressFamily, kind: socket.SocketKind, protocol: int, where: tuple[object, ...]
) -> socket.socket:
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(where)
        one.listen(BACKLOG)
        one.setblocking(False)
    except OSError:
        with suppress(OSError):
            one.close()
        raise
    return one


def _sentence(error: OSError, address: str, setting: str) -> OSError:
    remedy = _REMEDIES.get(error.errno or 0, "choose another address")
    text = f"the proxy cannot start: {address} ({setting}): {error.strerror}; {remedy}"
    return OSError(error.errno, text)
