"""No spelling of an address of one's own network is called on a stranger's word."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from connectors.kit.public_addresses import RefusedAddressError, fault_of_url, is_public, resolve

PRIVATE = [
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "00000.0",
    "10.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.257",
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "db.localhost",
    "metadata.google.internal",
    "printer.local",
    "127.0.0.1.",
    "127。0。0。1",
    "１２７.０.０.１",
    "%31%32%37.0.0.1",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_of_a_private_network_is_refused_however_it_is_spelled(host):
    assert fault_of_url(f"https://{host}/hook")


@pytest.mark.parametrize(
    "host", [host for host in PRIVATE if "%" not in host and "。" not in host and "１" not in host]
)
def test_it_is_refused_as_well_where_the_connection_is_made(host):
    with pytest.raises((RefusedAddressError, socket.gaierror)):
        resolve(host.strip("[]"), 443, allow_private=False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.org/x", "https://"),
        ("ftp://hooks.example.org/x", "https://"),
        ("file:///etc/passwd", "https://"),
        ("gopher://hooks.example.org/", "https://"),
        ("//hooks.example.org/x", "no address"),
        ("hooks.example.org", "no address"),
        ("https://", "no address"),
        ("https://hooks.example.org:99999/", "no address"),
        ("https://user@hooks.example.org/", "credentials"),
        ("https://user:word@hooks.example.org/", "credentials"),
        ("https://hooks.example.org@127.0.0.1/", "credentials"),
        ("https://hooks.example.org\\@127.0.0.1/", "credentials"),
        ("https://hooks.example.org/#@127.0.0.1", "no address"),
        ("", "no address"),
    ],
)
def test_what_is_no_plain_https_address_is_refused(url, said):
    assert said in (fault_of_url(url) or "")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/catch/1/abc?x=1",
        "https://hooks.example.org:8443/",
        "https://bücher.example/hook",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/hook",
        "https://localhost.example.org/",
        "https://1password.example/",
    ],
)
def test_a_public_address_is_fine(url):
    assert fault_of_url(url) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_addresses_are_known_as_such(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "https://10.0.0.1/", "http://orders.internal/hook"])
def test_ones_own_network_may_be_allowed(url):
    assert fault_of_url(url, allow_private=True) is None


def test_a_name_of_which_one_address_is_private_is_refused_as_a_whole(monkeypatch):
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 443)) for text in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(RefusedAddressError, match=r"hooks\.example\.org leads to an address of a private network"):
        resolve("hooks.example.org", 443, allow_private=False)
