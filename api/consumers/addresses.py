"""Which addresses a name may lead to: a stranger's URL is not to reach what only we can reach."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

PUBLIC, PRIVATE, LOOPBACK = "public", "private", "loopback"
"""Which addresses a host may have: of the internet; those and private ones; this machine's."""

_METADATA = {
    *("168.63.129.16", "100.100.100.200", "192.0.0.192"),
    *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
}
"""Of clouds, and in ranges that look harmless; the others are link-local."""

_NAT64 = IPv6Network("64:ff9b::/96")


def suits(address: str, kind: str) -> bool:
    """Whether an address is of a kind. Nothing but `loopback` means this machine or a link."""
    found = _meant(address)
    if kind == LOOPBACK:
        return found.is_loopback
    odd = found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified
    if odd or found.is_reserved or str(found) in _METADATA:
        return False
    if isinstance(found, IPv6Address) and found.is_site_local:
        return kind == PRIVATE  # what came before fc00::/7, and may still be routed in a network
    return found.is_global or kind == PRIVATE


def _meant(address: str) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, where it stands for one."""
    found = ip_address(address)
    if isinstance(found, IPv4Address):
        return found
    if found in _NAT64:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or (found.teredo or (None, found))[1]
