"""Which addresses an outgoing call may go to."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from taskflow.lib.http.errors import CallRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: What is not the public internet, from IANA's special-purpose registries (RFC 6890 and its successors). The standard
#: library's `is_global` differs between Python versions, so it is asked besides this list and not instead.
_SPECIAL = tuple(
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3fff::/20",
    )
)
#: The only IPv6 block given out for the internet; mapped, compatible, translated and NAT64 addresses lie outside.
_IPV6_INTERNET = ipaddress.ip_network("2000::/3")
#: Clouds' metadata services in ordinary ranges.
_METADATA = frozenset({ipaddress.ip_address("168.63.129.16"), ipaddress.ip_address("100.100.100.200")})
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AllowList:
    """What the operator lets calls reach besides the public internet: networks, and hosts by name."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    def has_address(self, address: Address) -> bool:
        """Say whether `address` lies in an allowed network."""
        return any(address in network for network in self.networks)

    def has_host(self, host: str) -> bool:
        """Say whether the name `host` is allowed whatever it resolves to."""
        return host.lower().rstrip(".") in self.hosts


@lru_cache(maxsize=64)
def parse_allow_list(entries: Iterable[str]) -> AllowList:
    """Read a tuple of CIDR blocks, single addresses and host names."""
    networks, hosts = [], set()
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry.strip(), strict=False))
        except ValueError:
            hosts.add(entry.strip().lower().rstrip("."))
    return AllowList(tuple(networks), frozenset(hosts))


def is_public(address: Address) -> bool:
    """Say whether `address` is an ordinary one of the public internet."""
    if address in _METADATA or not address.is_global or any(address in block for block in _SPECIAL):
        return False
    return address.version == 4 or address in _IPV6_INTERNET


def literal_address(host: str) -> Address | None:
    """Return the address `host` spells out in the usual form, or None if it is a name.

    Raises CallRefused for the forms that systems read as an address in different ways (2130706433, 0x7f.1, 0177.0.0.1).
    """
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        raise CallRefused(f"The host {host!r} is a number in disguise; write it as a usual address.")
    return None


def check_address(host: str, address: Address, allow: AllowList) -> None:
    """Raise CallRefused unless `host`, which stands for `address`, may be called."""
    if is_public(address) or allow.has_address(address) or allow.has_host(host):
        return
    raise CallRefused(f"The host {host} is not in the public internet, so calls to it are not allowed.")
