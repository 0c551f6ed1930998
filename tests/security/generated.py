"""HTTP/1.1 requests as many clients spell them, and a byte off: for comparing two readers of the same bytes."""

from collections.abc import Sequence
from random import Random

from hypothesis import strategies as st

from scripts.rig import HOST

type Lines = Sequence[bytes]

NAME = HOST.encode()
CLIENTS: dict[str, Lines] = {
    "requests": (
        b"User-Agent: python-requests/2.34.2",
        b"Accept-Encoding: gzip, deflate, br",
        b"Accept: */*",
        b"Connection: keep-alive",
    ),
    "httpx": (
        b"accept: */*",
        b"accept-encoding: gzip, deflate, br, zstd",
        b"connection: keep-alive",
        b"user-agent: python-httpx/0.28.1",
    ),
    "aiohttp": (
        b"Accept: */*",
        b"Accept-Encoding: gzip, deflate, br",
        b"User-Agent: Python/3.13 aiohttp/3.14.5",
    ),
    "urllib": (b"Accept-Encoding: identity", b"User-Agent: Python-urllib/3.13", b"Connection: close"),
    "node": (
        b"connection: keep-alive",
        b"accept: */*",
        b"accept-language: *",
        b"sec-fetch-mode: cors",
        b"user-agent: node",
        b"accept-encoding: gzip, deflate",
    ),
    "axios": (
        b"Accept: application/json, text/plain, */*",
        b"User-Agent: axios/1.21.1",
        b"Accept-Encoding: gzip, compress, deflate, br",
        b"Connection: keep-alive",
    ),
    "curl": (b"User-Agent: curl/7.88.1", b"Accept: */*"),
    "java": (
        b"Connection: Upgrade, HTTP2-Settings",
        b"Content-Length: 0",
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        b"Upgrade: h2c",
        b"User-Agent: Java-http-client/17",
    ),
    "java 8": (
        b"User-Agent: Java/17",
        b"Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        b"Connection: keep-alive",
    ),
    "betfairlightweight": (
        b"User-Agent: betfairlightweight/2.24.0",
        b"Accept-Encoding: gzip, deflate",
        b"Accept: */*",
        b"Connection: keep-alive",
        b"content-type: application/json",
    ),
    "SportsGameOdds": (
        b"accept: application/json",
        b"accept-encoding: gzip, deflate, br, zstd",
        b"connection: keep-alive",
        b"user-agent: SportsGameOdds/Python 1.3.0",
        b"x-stainless-lang: python",
        b"x-stainless-async: false",
        b"x-stainless-retry-count: 0",
    ),
    "nothing": (),
}

TAGS = [b'"a"', b'W/"a"', b"*", b"a", b'"a', b'"a", W/"b"', b'""', b"", b'"\xe9"', b'W/"a",,"b"']
CODINGS = (
    b"gzip|GZIP|identity|*|br|gzip, deflate|gzip;q=0|gzip;q=1.0|gzip; q=0.5, *;q=0|identity;q=0|x-gzip||"
    b"gzip;q=2|gzip;q=|;|,,|*;q=0, gzip|deflate|gzip\t|\xe9"
).split(b"|")
CONNECTIONS = [
    *[b"close", b"keep-alive", b"Keep-Alive"] * 4,
    *b"Close|close, keep-alive|keep-alive, close|Upgrade|TE|Host|X-Own|,|closed||close;x|If-None-Match".split(b"|"),
]
OTHERS = (
    b"Cookie: a=b|Authorization: Bearer x|X-Api-Key: x|Range: bytes=0-1|Cache-Control: no-cache|Pragma: no-cache|"
    b"Content-Length: 0|Content-Length: 00|Content-Length: 5|Transfer-Encoding: chunked|Expect: 100-continue|"
    b"Upgrade: websocket|Upgrade: h2c|TE: trailers|Trailer: A|X-Forwarded-For: 1.2.3.4|Origin: http://a.test|"
    b"X-HTTP-Method-Override: POST|If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT|Referer:|Date: x|"
    b"Proxy-Connection: keep-alive|Keep-Alive: timeout=5|Max-Forwards: 0|Content-Type: application/json|"
    b"X-Own: \xe9\xff|X-Own:\ta\tb \t|A-Very_Odd!Name~: 1|Accept:"
).split(b"|")
MALFORMED = (
    *(b" folded", b"\tfolded", b"No colon", b": empty", b"A : b", b"A\t: b", b"A: b\x00", b"A: b\rc", b"A: b\x7f"),
    *(b"A\x00: b", b"\xe9: b", b"A: b\nC: d", b"Host: evil.invalid", b"host: " + NAME, b"A:" + b"b" * 70_000),
)
HOSTS = (
    *[NAME] * 80,
    *(NAME.upper(), NAME + b".", NAME + b":80", NAME + b":", NAME + b":443", NAME + b":x", b"unknown.invalid", b""),
    *(b"evil@" + NAME, b"[" + NAME + b"]", b" \t" + NAME + b"\t ", NAME + b", " + NAME),
)
METHODS = (*[b"GET"] * 40, *[b"HEAD"] * 10, *[b"POST"] * 5, b"PUT", b"OPTIONS", b"get", b"HEAd", b"TRACE")
VERSIONS = (*[b"HTTP/1.1"] * 60, b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"")
PATHS = (
    *[b"/v4/sports/S/odds"] * 60,
    *(b"/v4/sports/S/odds/", b"/v4//sports/S/odds", b"/v4/sports/S/%6fdds", b"/v4/sports/./S/odds", b"/v4/account/S"),
    *(b"/v4/sports/S/../S/odds", b"/v4/sports/S%2fodds", b"/v4/sports/S/ODDS", b"/v4/sports/S/odds;a=b", b"*S"),
    *(b"//v4/sports/S/odds", b"/v4/sports/S\xff/odds", b"/v4/sports/S/odds\x01", b"v4/sports/S/odds"),
)
PAIRS = (
    *(
        b"oddsFormat=decimal",
        b"oddsFormat=american",
        b"dateFormat=iso",
        b"regions=us",
        b"a",
        b"=",
        b"a=%zz",
        b"a[]=1",
    ),
    *(
        b"a=b+c",
        b"a=b%20c",
        b"a=b%2Bc",
        b"includeLinks=True",
        b"includeLinks=true",
        b"a=\xc3\xa9",
        b"a=%C3%A9",
        b"a=;b",
    ),
    b"a='\"<>`{}|\\^",
)


def requests(sports: Sequence[str] = ("soccer_epl", "basketball_nba")) -> st.SearchStrategy[bytes]:
    """One request each, complete with the body that its lines tell of, for the odds of one of `sports` or alike. Many
    are well-formed, the rest a line or a byte off. Made from a seed, far faster than drawing every choice; there is
    nothing to shrink."""
    return st.randoms(use_true_random=True).map(lambda random: spelled(random, sports))


def spelled(random: Random, sports: Sequence[str]) -> bytes:
    """A request as `requests` makes them."""
    lines = _fields(random)
    at = random.randint(0, len(lines)) if _seldom(random, 4) else 0
    host = _cased(random, b"Host") + b": " + random.choice(HOSTS)
    lines[at:at] = [host] * random.choice((*[1] * 60, 0, 2))
    line = b" ".join((random.choice(METHODS), _target(random, sports), random.choice(VERSIONS)))
    head = (b"\n" if _seldom(random, 30) else b"\r\n").join((line, *lines, b"", b""))
    if _seldom(random, 30):
        at = random.randrange(len(head))
        head = head[:at] + random.choice((b"", b" ", b"\t", b"\x00", b"\r", b"\xe9", b":", b"x")) + head[at + 1 :]
    return head + _body(lines)


def _target(random: Random, sports: Sequence[str]) -> bytes:
    path = random.choice(PATHS).replace(b"S", random.choice(sports).encode())
    comma = random.choice((b",", b"%2C", b"%2c"))
    pairs = [
        random.choice((b"regions=uk", b"regions=uk,eu", b"regions=eu,uk")).replace(b",", comma),
        random.choice((b"markets=h2h", b"markets=h2h,totals")).replace(b",", comma),
        random.choice((b"apiKey=k", b"apiKey=k", b"api_key=k", b"apiKey=", b"apiKey=k%20")),
        *random.choices(PAIRS, k=random.choice((0, 0, 0, 0, 1, 2))),
    ]
    random.shuffle(pairs)
    path += random.choice((*[b"?"] * 12, b"??", b"?&")) + b"&".join(pairs) if not _seldom(random, 12) else b""
    path += random.choice((*[b""] * 24, b"#f", b"&", b"&" + b"x" * 5_000))
    if not _seldom(random, 12):
        return path
    return b"http://" + random.choice((NAME, NAME.upper(), NAME + b":80", b"evil.invalid", b"a@" + NAME)) + path


def _fields(random: Random) -> list[bytes]:
    """Those of a client, with what it may add."""
    lines = list(random.choice(list(CLIENTS.values())))
    for name, values in ((b"Accept-Encoding", CODINGS), (b"If-None-Match", TAGS), (b"Connection", CONNECTIONS)):
        if chosen := random.choices(values, k=random.choice((0, 0, 0, 0, 1, 1, 2))):
            if not _seldom(random, 5):
                lines = [line for line in lines if line.partition(b":")[0].lower() != name.lower()]
            lines += [_cased(random, name) + random.choice((b": ", b": ", b":", b":\t")) + each for each in chosen]
    lines += random.choices(OTHERS, k=random.choice((0, 0, 0, 0, 0, 1, 2)))
    lines += [b"X-%d: %d" % (number, random.randrange(10)) for number in range(random.choice((0, 0, 0, 0, 2, 60)))]
    if _seldom(random, 20):
        lines.insert(random.randint(0, len(lines)), random.choice(MALFORMED))
    if _seldom(random, 4):
        random.shuffle(lines)
    return lines


def _body(lines: Lines) -> bytes:
    fields = [line.lower() for line in lines]
    if b"transfer-encoding: chunked" in fields:
        return b"5\r\nhello\r\n0\r\n\r\n"
    return b"hello" if b"content-length: 5" in fields else b""


def _cased(random: Random, name: bytes) -> bytes:
    return random.choice((name, name, name.lower(), name.upper(), name.swapcase()))


def _seldom(random: Random, one_in: int) -> bool:
    return random.randrange(one_in) == 0
