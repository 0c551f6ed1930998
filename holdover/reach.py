"""Which addresses an explicit proxy connects to for clients that call somebody else than a provider."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

type Foreign = Literal["public", "any", "none"]

# 64:ff9b::/96 holds an IPv4 address in its last four bytes (RFC 6052); 168.63.129.16 looks public and is a cloud's
# own service of every machine in it (Azure); 192.0.0.0/24 has such a one too (Oracle's is 192.0.0.192).
_TRANSLATED = ip_network("64:ff9b::/96")
_NOT_PUBLIC = tuple(map(ip_network, ("168.63.129.16/32", "192.0.0.0/24", "::/96", "64:ff9b:1::/48", "fec0::/10")))


def plain(address: str) -> IPv4Address | IPv6Address:
    """The address that is meant, without what wraps an IPv4 address and without a zone. Raises ValueError."""
    meant = ip_address(address.partition("%")[0])
    if isinstance(meant, IPv6Address):
        if meant in _TRANSLATED:
            return IPv4Address(meant.packed[-4:])
        return meant.ipv4_mapped or meant.sixtofour or meant
    return meant


def is_public(address: str) -> bool:
    """Whether an address is of the Internet at large: not of this machine, its link or its network, nor one at which
    a cloud tells a machine its secrets. Raises ValueError."""
    meant = plain(address)
    if not meant.is_global or meant.is_multicast:
        return False
    return not any(meant in network for network in _NOT_PUBLIC if network.version == meant.version)


def refusal(foreign: Foreign, host: str, address: str) -> str | None:
    """Why a host of no provider's, found at this address, is not connected to."""
    if foreign == "none":
        return f"{host} is no provider's host, and `[proxy] foreign` allows no other"
    if foreign == "public" and not is_public(address):
        return f"{host} has no public address, and `[proxy] foreign` allows no other"
    return None
