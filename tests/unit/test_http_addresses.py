"""Where outgoing calls may go: not one of these hostile URLs gets out."""

import ipaddress

import pytest

from taskflow.lib.http import Call, CallRefused, HttpClient
from taskflow.lib.http.addresses import AllowList, is_public, literal_address, parse_allow_list

NAMES = {
    "localhost": "127.0.0.1",
    "localhost.": "127.0.0.1",
    "internal.example": "10.1.2.3",
    "rebound.example": "169.254.169.254",
    "mapped.example": "::ffff:127.0.0.1",
    "six.example": "fd00::1",
    "metadata.google.internal": "169.254.169.254",
    "127.0.0.1.nip.example": "127.0.0.1",
    "xn--e1afmkfd.example": "192.168.0.1",
}
HOSTILE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.8.9.10:8080/",
    "http://0.0.0.0/",
    "http://0/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.0x1/",
    "http://10.0.0.1/",
    "http://172.16.5.4/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[2001:db8::1]/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://internal.example/",
    "http://rebound.example/",
    "http://mapped.example/",
    "http://six.example/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://127.0.0.1.nip.example/",
    "http://пример.example/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://user:pass@8.8.8.8/",
    "http://8.8.8.8@127.0.0.1/",
    "http://127.0.0.1#@8.8.8.8/",
    "http://8.8.8.8\\@127.0.0.1/",
    "http://127.0.0.1%00.example.com/",
    "http://%31%32%37.0.0.1/",
    "http:///etc/passwd",
    "http://",
    "//8.8.8.8/",
    "8.8.8.8",
    "file:///etc/passwd",
    "ftp://8.8.8.8/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "unix:///var/run/docker.sock",
    "data:text/plain,x",
    "javascript:alert(1)",
    "http://8.8.8.8:99999/",
    "http://8.8.8.8:x/",
    "http://exa mple.com/",
    "http://example.com/\r\nX-Evil: 1",
    "http://8.8.8.8/" + "a" * 5000,
]


def look_up(host, port):
    return [ipaddress.ip_address(NAMES[host.lower()])]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused(url):
    with pytest.raises(CallRefused):
        HttpClient(AllowList(), look_up).send(Call("GET", url, timeout=2))


def test_a_name_with_one_forbidden_address_among_good_ones_is_refused():
    def two(host, port):
        return [ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("10.0.0.1")]

    with pytest.raises(CallRefused, match="not in the public internet"):
        HttpClient(AllowList(), two).send(Call("GET", "http://both.example/", timeout=2))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_ordinary_addresses_of_the_internet_are_public(address):
    assert is_public(ipaddress.ip_address(address))


def test_the_operator_may_allow_networks_addresses_and_hosts():
    allow = parse_allow_list(("10.0.0.0/8", "127.0.0.1", "Intranet.example.", "fd00::/8"))
    assert allow.has_address(ipaddress.ip_address("10.9.9.9"))
    assert allow.has_address(ipaddress.ip_address("127.0.0.1"))
    assert allow.has_address(ipaddress.ip_address("fd00::5"))
    assert not allow.has_address(ipaddress.ip_address("127.0.0.2"))
    assert allow.has_host("intranet.example")
    assert not allow.has_host("evil.intranet.example")


def test_names_that_only_begin_like_numbers_are_names():
    assert literal_address("0x7f.example.com") is None
    assert literal_address("1e100.net") is None
    assert literal_address("8.8.8.8") == ipaddress.ip_address("8.8.8.8")
