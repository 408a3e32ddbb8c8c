"""Hostile addresses, and names that lead to what must not be reached, for every level at which calls are made."""

import ipaddress

#: What names resolve to in the tests: a resolver of an attacker's choice.
NAMES = {
    "localhost": "127.0.0.1",
    "localhost.": "127.0.0.1",
    "internal.example": "10.1.2.3",
    "rebound.example": "169.254.169.254",
    "mapped.example": "::ffff:127.0.0.1",
    "six.example": "fd00::1",
    "metadata.google.internal": "169.254.169.254",
    "127.0.0.1.nip.example": "127.0.0.1",
    "nat64.example": "64:ff9b::a9fe:a9fe",
    "sixtofour.example": "2002:a9fe:a9fe::",
    "linklocal.example": "fe80::1",
    "cgnat.example": "100.64.0.1",
    "zero.example": "0.0.0.0",  # noqa: S104
    "broadcast.example": "255.255.255.255",
    "kubernetes.default.svc": "10.96.0.1",
    "spoofed.burp.example": "192.168.1.1",
}
URLS = [
    # Addresses in every spelling
    "http://127.0.0.1",
    "http://127.0.0.1:6379",
    "http://127.1",
    "http://127.0.1",
    "http://0",
    "http://0.0.0.0",
    "http://2130706433",
    "http://0x7f000001",
    "http://0x7f.0.0.1",
    "http://0x7f.1",
    "http://0177.0.0.1",
    "http://017700000001",
    "http://0000000000000000177.0.0.1",
    "http://2852039166",
    "http://0xA9FEA9FE",
    "http://0251.0376.0251.0376",
    "http://169.254.169.254",
    "http://169.254.169.254.",
    "http://169.254.170.2",
    "http://100.100.100.200",
    "http://168.63.129.16",
    "http://192.0.0.192",
    "http://10.0.0.1",
    "http://172.16.0.1",
    "http://192.168.0.1",
    "http://100.64.0.1",
    "http://[::1]",
    "http://[::]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:a9fe:a9fe]",
    "http://[0:0:0:0:0:ffff:7f00:1]",
    "http://[::127.0.0.1]",
    "http://[64:ff9b::7f00:1]",
    "http://[64:ff9b::169.254.169.254]",
    "http://[64:ff9b:1::a00:1]",
    "http://[2002:7f00:1::]",
    "http://[2001:0:7f00:1::]",
    "http://[fe80::1]",
    "http://[fc00::1]",
    "http://[fd00:ec2::254]",
    "http://①②⑦.⓪.⓪.①",
    "http://１２７.0.0.1",
    "http://127。0。0。1",
    # Tricks with what belongs around a host
    "http://8.8.8.8@127.0.0.1",
    "http://good.example:80@127.0.0.1",
    "http://user:pass@good.example",
    "http://127.0.0.1\\@good.example",
    "http://good.example\\.evil.example",
    "http://%31%32%37.0.0.1",
    "http://127.0.0.1%00.good.example",
    "http://good.example:0",
    "http://good.example:99999",
    "http://good.example:-1",
    "http:///127.0.0.1",
    # Other schemes
    "file:///etc/passwd",
    "ftp://good.example",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/stat",
    "ldap://127.0.0.1",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
]
#: URLs that look harmless until their name is looked up.
BY_NAME = [f"http://{name}" for name in NAMES]


def resolve(host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Look a name up as the attacker would have it; names that are not in the table are of the internet."""
    return [ipaddress.ip_address(NAMES.get(host.lower(), "8.8.8.8"))]
