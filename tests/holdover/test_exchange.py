import pytest

from holdover.exchange import accepts_gzip, elements, header


def test_values_of_one_field_are_joined_in_order_whatever_their_case():
    fields = (("Vary", "Origin"), ("Content-Type", "a/b"), ("VARY", "Accept"))
    assert header(fields, "vary") == "Origin, Accept"
    assert header(fields, "CONTENT-TYPE") == "a/b"
    assert header(fields, "var") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("", []),
        (" , ,", []),
        ("No-Store", ["no-store"]),
        ("gzip;q=0.5 , BR ; x=1,,identity", ["gzip", "br", "identity"]),
        ('private="Set-Cookie"', ['private="set-cookie"']),
    ],
)
def test_elements(value, expected):
    assert elements(value) == expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        (None, False),
        ("", False),
        (",", False),
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br, zstd", True),
        ("gzip;q=1.0", True),
        ("gzip; Q=0.001", True),
        ("gzip ;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=-1", False),
        ("gzip;q=nan", False),
        ("identity", False),
        ("identity;q=1, *;q=0", False),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("br, *;q=0.1", True),
        ("x-gzip", True),
        ("x-gzip;q=0", False),
        ("gzip;q=", False),
        ("gzip;q=high", False),
        ("gzip;level=9", False),
        ("notgzip, gzippy", False),
        ("deflate;q=oops, gzip", True),
    ],
)
def test_gzip_goes_only_to_clients_that_ask_for_it(accept_encoding, expected):
    assert accepts_gzip(accept_encoding) is expected
