import pytest

from holdover.exchange import Request, Response
from holdover.origin.answer import before

HINTS = (103, (("Link", "</a>"), ("Connection", "x"), ("X", "y"), ("Content-Length", "3")))


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("node", True),
        ("curl/8.5.0", True),
        ("Go-http-client/1.1", True),
        ("Python/3.12 aiohttp/3.11", True),
        ("python-requests/2.32", False),
        ("Python-urllib/3.12", False),
        ("Mozilla/5.0 (X11; Linux x86_64)", False),
        ("Java/17", False),
        ("notcurl/1", False),
        ("curler/1", False),
        ("", False),
        (None, False),
    ],
)
def test_who_is_told_of_interim_responses(agent, told):
    request = Request("GET", "h", "/", (("user-agent", agent),) if agent is not None else ())
    expected = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    assert before(Response(200, interim=(HINTS, (102, ()))), request) == (expected if told else b"")
    assert before(Response(200), request) == b""
