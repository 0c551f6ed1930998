import pytest

from holdover.reach import is_public, plain, refusal


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "169.254.170.2",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_what_is_not_of_the_internet_at_large(address: str):
    assert not is_public(address)
    assert refusal("public", "host.example", address) is not None
    assert refusal("any", "host.example", address) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_what_is_public(address: str):
    assert is_public(address)
    assert refusal("public", "host.example", address) is None
    assert refusal("none", "host.example", address) is not None


def test_an_address_is_what_it_wraps():
    assert (
        str(plain("::ffff:127.0.0.1")) == str(plain("64:ff9b::7f00:1")) == str(plain("2002:7f00:1::")) == "127.0.0.1"
    )
    with pytest.raises(ValueError):
        plain("localhost")
