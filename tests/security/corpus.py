"""Requests that are malformed, that two readers may understand differently, or that look odd and are in order.

In `raw`, `{m}` stands for a word of eight letters that is new at every use. Where it is unclear where a request ends,
one for `planted-{m}` follows that nobody may ever take for a request of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scripts.rig import HOST

type Must = Literal["refuse", "apart", "serve"]
"""What must come of it.

`refuse`: an error of the client's (4xx) or an end of the connection; nothing of it reaches the provider.
`apart`: as `refuse`, or the provider gets it once and unambiguous, and what it answers is for nobody else.
`serve`: it is in order, and answered as its plain spelling is."""

ODDS = b"/v4/sports/{m}/odds?regions=uk&markets=h2h&apiKey=k"
PASSED = b"/v4/account/{m}?apiKey=k"
PLANTED = b"GET /v4/sports/planted-{m}/odds HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n"
NAME = HOST.encode()


@dataclass(frozen=True)
class Case:
    """One of the corpus. `ahead`: how many requests in order stand in front of the one in question (where all are in
    order: of the last); `sent`: how many of these the provider gets even if all that is cached is in the cache.
    `host`: nothing is wrong but that the Host field names another server, or none where HTTP/1.0 may do without. A
    proxy that is told the server by the target heeds that alone (RFC 9112 section 3.2.2). `changes`: no one knows its
    method to be safe, and what it names is not in the cache afterwards (RFC 9111 section 4.4)."""

    name: str
    raw: bytes
    must: Must
    ahead: int = 0
    sent: int = 0
    host: bool = False
    changes: bool = False


def request(
    *fields: bytes,
    line: bytes = b"GET " + ODDS + b" HTTP/1.1",
    host: bytes | None = b"Host: " + NAME,
    body: bytes = b"",
    end: bytes = b"\r\n",
) -> bytes:
    """A request whose lines end with `end`."""
    lines = [line, *([] if host is None else [host]), *fields, b"", b""]
    return end.join(lines) + body


def get(target: bytes, *fields: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    return request(*fields, line=b" ".join((method, target, version)))


def post(*fields: bytes, body: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """To what no route covers: the body goes on to the provider."""
    return request(*fields, line=b"POST " + PASSED + b" " + version, body=body)


def cases() -> list[Case]:
    """All of them, each name once."""
    made = [*_framing(), *_lines(), *_fields(), *_hosts(), *_targets(), *_bodies(), *_hops(), *_in_order(), *_pipes()]
    assert len({case.name for case in made}) == len(made)
    return made


def _framing() -> Iterator[Case]:
    """Where the body ends is unclear. By POST to what is passed on, and by GET to what is in the cache."""
    length = str(len(PLANTED.replace(b"{m}", b"m" * 8))).encode()
    chunks = b"0\r\n\r\n" + PLANTED
    unclear: dict[str, tuple[bytes, ...]] = {
        "length and chunked": (b"Content-Length: " + length, b"Transfer-Encoding: chunked"),
        "chunked and length": (b"Transfer-Encoding: chunked", b"Content-Length: " + length),
        "two lengths that differ": (b"Content-Length: 0", b"Content-Length: " + length),
        "two equal lengths": (b"Content-Length: 5", b"Content-Length: 5"),
        "length as a list": (b"Content-Length: 5, 5",),
        "length with a plus": (b"Content-Length: +5",),
        "length below zero": (b"Content-Length: -1",),
        "length in hexadecimal": (b"Content-Length: 0x5",),
        "length with an underscore": (b"Content-Length: 1_0",),
        "length with a fraction": (b"Content-Length: 5.0",),
        "length with an exponent": (b"Content-Length: 1e1",),
        "length with words": (b"Content-Length: 5 bytes",),
        "length of other digits": (b"Content-Length: \xd9\xa5",),
        "length of superscript": (b"Content-Length: \xb2",),
        "empty length": (b"Content-Length:",),
        "length beyond all": (b"Content-Length: " + b"9" * 5000,),
        "length with space before the colon": (b"Content-Length : 5",),
        "length with tab before the colon": (b"Content-Length\t: 5",),
        "length with NUL": (b"Content-Length: 5\x00",),
        "length folded": (b"Content-Length:\r\n 5",),
        "coding with space before the colon": (b"Transfer-Encoding : chunked",),
        "coding xchunked": (b"Transfer-Encoding: xchunked",),
        "coding chunked, identity": (b"Transfer-Encoding: chunked, identity",),
        "coding identity": (b"Transfer-Encoding: identity", b"Content-Length: " + length),
        "coding gzip": (b"Transfer-Encoding: gzip",),
        "coding chunked twice": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        "coding chunked and identity": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
        "coding chunked, chunked": (b"Transfer-Encoding: chunked, chunked",),
        "coding in quotes": (b'Transfer-Encoding: "chunked"',),
        "coding with a parameter": (b"Transfer-Encoding: chunked;q=1",),
        "coding folded": (b"Transfer-Encoding:\r\n chunked",),
        "coding after NUL": (b"Transfer-Encoding: \x00chunked",),
        "coding empty": (b"Transfer-Encoding:", b"Content-Length: " + length),
        "coding behind a bare CR": (b"X: y\rTransfer-Encoding: chunked",),
        "coding with vertical tab": (b"Transfer-Encoding:\x0bchunked",),
    }
    for name, fields in unclear.items():
        yield Case(f"{name}, POST", post(*fields, body=chunks), "refuse")
        yield Case(f"{name}, GET", request(*fields, body=chunks), "refuse")
    old = (b"Transfer-Encoding: chunked",)
    yield Case("chunked by HTTP/1.0", post(*old, body=chunks, version=b"HTTP/1.0"), "refuse")
    behind = {
        "chunk extension ended by LF": b"5;x\nhello\r\n0\r\n\r\n",
        "chunk size 0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
        "chunk size +5": b"+5\r\nhello\r\n0\r\n\r\n",
        "chunk size below zero": b"-5\r\nhello\r\n0\r\n\r\n",
        "chunk size beyond all": b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n",
        "chunk size of 65 bits": b"1" + b"0" * 15 + b"5\r\nhello\r\n0\r\n\r\n",
        "chunk size after zeros without end": b"0" * 10_000 + b"5\r\nhello\r\n0\r\n\r\n",
        "trailer that is a request": b"0\r\nGET / HTTP/1.1\r\n\r\n",
        "trailer ended by LF": b"0\r\nA: b\n\r\n",
        "chunk without size": b"\r\nhello\r\n0\r\n\r\n",
        "chunk ended by LF": b"5\nhello\n0\n\n",
        "chunk longer than told": b"5\r\nhello!!\r\n0\r\n\r\n",
        "chunk with bare CR": b"5\rhello\r\n0\r\n\r\n",
    }
    for name, body in behind.items():
        yield Case(name, post(b"Transfer-Encoding: chunked", body=body + PLANTED), "refuse")
    trailer = b"5\r\nhello\r\n0\r\nContent-Length: 5\r\nHost: evil.invalid\r\n\r\n"
    yield Case(
        "chunk size with space", post(b"Transfer-Encoding: chunked", body=b"5 \r\nhello\r\n0\r\n\r\n"), "apart"
    )
    yield Case("trailers", post(b"Transfer-Encoding: chunked", body=trailer), "apart")


def _lines() -> Iterator[Case]:
    """The first line, and how lines end."""
    odds = ODDS
    lines = {
        "HTTP/0.9": b"GET " + odds,
        "HTTP/1.2": b"GET " + odds + b" HTTP/1.2",
        "HTTP/2.0": b"GET " + odds + b" HTTP/2.0",
        "HTTP/1.10": b"GET " + odds + b" HTTP/1.10",
        "HTTP/1.1 and more": b"GET " + odds + b" HTTP/1.1 x",
        "http in small letters": b"GET " + odds + b" http/1.1",
        "two spaces": b"GET  " + odds + b" HTTP/1.1",
        "two spaces behind": b"GET " + odds + b"  HTTP/1.1",
        "tabs for spaces": b"GET\t" + odds + b"\tHTTP/1.1",
        "space at the end": b"GET " + odds + b" HTTP/1.1 ",
        "space in front": b" GET " + odds + b" HTTP/1.1",
        "space in the target": b"GET /v4/sports/{m} /odds HTTP/1.1",
        "no target": b"GET HTTP/1.1",
        "no method": odds + b" HTTP/1.1",
        "NUL in the method": b"G\x00T " + odds + b" HTTP/1.1",
        "method of symbols": b"G(T " + odds + b" HTTP/1.1",
        "nothing but a line": b"{m}",
        "preface of HTTP/2": b"PRI * HTTP/2.0",
    }
    for name, line in lines.items():
        yield Case(name, request(line=line), "refuse")
    for method in (b"get", b"Get", b"GETX", b"PURGE", b"BREW"):
        yield Case(f"method {method.decode()}", get(odds, method=method), "apart", changes=True)
    yield Case("TRACE", get(odds, b"Cookie: secret", method=b"TRACE"), "refuse")
    yield Case("TRACK", get(odds, b"Cookie: secret", method=b"TRACK"), "apart", changes=True)
    yield Case("OPTIONS", get(odds, method=b"OPTIONS"), "apart")
    yield Case("OPTIONS *", get(b"*", method=b"OPTIONS"), "apart")
    yield Case("GET *", get(b"*"), "refuse")
    yield Case("CONNECT", get(b"evil.invalid:80", method=b"CONNECT"), "refuse")
    yield Case("CONNECT to a path", get(odds, method=b"CONNECT"), "refuse")
    yield Case("lines ended by LF", request(end=b"\n"), "serve")
    yield Case("lines ended by CR", request(end=b"\r"), "refuse")
    yield Case("one line ended by LF", request(b"A: b\nC: d"), "refuse")
    yield Case("a field behind LF", request(b"A: b\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"), "refuse")
    yield Case("head ended by LF", request()[:-2] + b"\n", "refuse")
    yield Case("lines ended by CR CR LF", request(end=b"\r\r\n"), "refuse")
    yield Case("empty line in front", b"\r\n" + request(), "serve")
    yield Case("three empty lines in front", b"\r\n" * 3 + request(), "serve")
    yield Case("LF in front", b"\n" + request(), "serve")
    yield Case("NUL in front", b"\x00" + request(), "refuse")
    yield Case("TLS without a server name", bytes.fromhex("16030100050100000100") + b"{m}", "refuse")
    yield Case("version 2 of the PROXY protocol", b"\r\n\r\n\x00\r\nQUIT\n" + request(), "refuse")
    yield Case("version 1 of the PROXY protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + request(), "refuse")


def _fields() -> Iterator[Case]:
    """Field lines that are none, or that mean two things."""
    lines = {
        "folded field": b"A: b\r\n c",
        "folded by tab": b"A: b\r\n\tc",
        "folded Host of another": b"A: b\r\n Host: evil.invalid",
        "space in a name": b"A b: c",
        "space in front of a name": b" A: b",
        "space before the colon": b"A : b",
        "tab before the colon": b"A\t: b",
        "no colon": b"Abc",
        "empty name": b": b",
        "NUL in a name": b"A\x00b: c",
        "colon in front": b":authority: evil.invalid",
        "byte above 0x7f in a name": b"A\xe9: c",
        "parenthesis in a name": b"A(b): c",
        "quotes around a name": b'"A": c',
        "bare CR in a value": b"A: b\rc",
        "bare CR and a field": b"A: b\rX-Planted: c",
        "CR at the end of a value": b"A: b\r",
        "NUL in a value": b"A: b\x00c",
        "bell in a value": b"A: b\x07c",
        "DEL in a value": b"A: b\x7fc",
        "vertical tab before a value": b"A:\x0bb",
    }
    for name, line in lines.items():
        yield Case(name, request(line), "refuse")
        yield Case(f"{name}, passed", get(PASSED, line), "refuse")
    first = {"space before the first name": b" A: b", "tab before the first name": b"\tA: b", "folded first": b" b"}
    for name, line in first.items():
        yield Case(name, request(b"Host: " + NAME, host=line), "refuse")
    yield Case("a field of 256 KiB", request(b"A: " + b"b" * 262_144), "refuse")
    yield Case("a name of 64 KiB", request(b"A" * 65_536 + b": b"), "refuse")
    yield Case("5,000 fields", request(*(b"A%d: b" % number for number in range(5_000))), "refuse")
    yield Case("200 fields", request(*(b"A%d: b" % number for number in range(200))), "serve")
    yield Case("5,000 times the same field", request(*[b"A: b"] * 5_000), "refuse")
    for alike in ("Content_Length", "Transfer_Encoding", "Content-Length-", "X-Content-Length"):
        yield Case(f"field {alike}", request(alike.encode() + b": 5"), "serve")


def _hosts() -> Iterator[Case]:
    """Who is asked is unclear, or nobody of ours."""
    two = {
        "two equal Hosts": NAME,
        "a second Host of another": b"evil.invalid",
        "a second Host that is empty": b"",
    }
    for name, value in two.items():
        yield Case(name, request(b"Host: " + value), "refuse")
    yield Case("a Host of another first", request(b"Host: " + NAME, host=b"Host: evil.invalid"), "refuse")
    yield Case("two Hosts in two cases", request(b"hOST: evil.invalid"), "refuse")
    yield Case("no Host", request(host=None), "refuse")
    others = {
        "another Host": b"evil.invalid",
        "a Host of this machine": b"127.0.0.1",
        "a Host that goes on": NAME + b".evil.invalid",
        "a Host with something in front": b"evil" + NAME,
    }
    for name, value in others.items():
        yield Case(name, request(host=b"Host: " + value), "refuse", host=True)
    malformed = {
        "an empty Host": b"",
        "two Hosts as a list": NAME + b", evil.invalid",
        "a Host with a path": NAME + b"/v4",
        "a Host with a query": NAME + b"?a",
        "a Host with a fragment": NAME + b"#a",
        "a Host with userinfo": b"evil@" + NAME,
        "a Host as userinfo": NAME + b"@evil.invalid",
        "a Host with a space": NAME + b" evil.invalid",
        "a Host with a tab": NAME + b"\tevil.invalid",
        "a Host with NUL": NAME + b"\x00.evil.invalid",
        "a Host with a percent sign": b"%61pi.the-odds-api.com",
        "a Host with a port of letters": NAME + b":http",
        "a Host with a port beyond all": NAME + b":99999",
        "a Host with a negative port": NAME + b":-80",
        "a Host with two ports": NAME + b":80:80",
        "a Host with brackets": b"[" + NAME + b"]",
        "a Host with a scheme": b"http://" + NAME,
        "a Host with bytes above 0x7f": b"\xe9" + NAME,
        "a Host with two dots behind": NAME + b"..",
        "a Host with a dot in front": b"." + NAME,
        "a Host with two dots within": NAME.replace(b".", b"..", 1),
        "a Host with a long s": NAME.replace(b"s", b"\xc5\xbf", 1),
    }
    for name, value in malformed.items():
        yield Case(name, request(host=b"Host: " + value), "refuse")
    ours = {
        "Host in capitals": NAME.upper(),
        "Host with a dot behind": NAME + b".",
        "Host with its port": NAME + b":80",
        "Host with an empty port": NAME + b":",
        "Host with spaces around": b"  " + NAME + b" \t ",
    }
    for name, value in ours.items():
        yield Case(name, request(host=b"Host: " + value), "serve")
    head = request(line=b"HEAD " + ODDS + b" HTTP/1.1", host=b"Host: evil.invalid")
    yield Case("HEAD to another Host", head, "refuse", host=True)
    yield Case("Host with another port", request(host=b"Host: " + NAME + b":8080"), "serve")
    yield Case("Host behind other fields", request(b"A: b", b"Host: " + NAME, host=None), "serve")
    yield Case("Host without a space", request(host=b"Host:" + NAME), "serve")
    yield Case("hOsT", request(host=b"hOsT: " + NAME), "serve")


def _targets() -> Iterator[Case]:
    """What is asked for is unclear, or another's."""
    authorities = {
        "another": b"http://evil.invalid",
        "another with ours as userinfo": b"http://" + NAME + b"@evil.invalid",
        "ours with userinfo": b"http://evil@" + NAME,
        "ours with a port of letters": b"http://" + NAME + b":http",
        "none": b"http://",
        "one slash": b"http:/" + NAME,
        "ours with a space": b"http://" + NAME + b"%20",
        "ours with a backslash": b"http://" + NAME + b"\\@evil.invalid",
        "another scheme": b"ftp://" + NAME,
        "a file": b"file://",
        "a script": b"javascript:",
    }
    for name, authority in authorities.items():
        yield Case(f"absolute form, {name}", get(authority + ODDS), "refuse")
    yield Case("absolute form, another as Host too", request(
        line=b"GET http://evil.invalid" + ODDS + b" HTTP/1.1", host=b"Host: evil.invalid"), "refuse")  # fmt: skip
    other = request(line=b"GET http://" + NAME + ODDS + b" HTTP/1.1", host=b"Host: evil.invalid")
    yield Case("absolute form, Host of another", other, "refuse", host=True)
    yield Case("absolute form, another port", get(b"http://" + NAME + b":8080" + ODDS), "serve")
    yield Case("absolute form, https", get(b"https://" + NAME + ODDS), "serve")
    yield Case("absolute form, without a path", get(b"http://" + NAME), "apart")
    yield Case("absolute form, a query alone", get(b"http://" + NAME + b"?{m}"), "apart")
    for name, authority in (("ours", NAME), ("capitals", NAME.upper()), ("its port", NAME + b":80")):
        yield Case(f"absolute form, {name}", get(b"http://" + authority + ODDS), "serve")
    yield Case("absolute form, scheme in capitals", get(b"HTTP://" + NAME + ODDS), "serve")
    bad = {
        "a fragment": ODDS + b"#fragment",
        "a control byte": ODDS + b"\x01",
        "a control byte in the path": b"/v4/sports/{m}\x1f/odds",
        "NUL": ODDS + b"\x00",
        "DEL": ODDS + b"\x7f",
        "a bare CR": ODDS + b"\rX: y",
        "a tab": ODDS + b"\t",
        "a byte above 0x7f": ODDS + b"\xff",
        "UTF-8": ODDS + "é".encode(),
        "no slash in front": ODDS[1:],
        "a backslash in front": b"\\" + ODDS[1:],
        "an authority alone": NAME + b":80",
        "64 KiB": ODDS + b"&a=" + b"b" * 65_536,
    }
    for name, target in bad.items():
        yield Case(f"target with {name}", get(target), "refuse")
    odd = {
        "two slashes in front": b"/" + ODDS,
        "another's name behind two slashes": b"//evil.invalid" + ODDS,
        "two slashes within": ODDS.replace(b"/{m}", b"//{m}"),
        "a dot": ODDS.replace(b"/{m}", b"/./{m}"),
        "two dots": ODDS.replace(b"/{m}", b"/x/../{m}"),
        "two dots to the root": b"/../../{m}",
        "dots as percent signs": ODDS.replace(b"/{m}", b"/x/%2e%2e/{m}"),
        "a slash as percent sign": ODDS.replace(b"/odds", b"%2Fodds"),
        "percent percent": ODDS.replace(b"{m}", b"%25{m}"),
        "half a percent sign": ODDS.replace(b"{m}", b"{m}%"),
        "wrong percent sign": ODDS.replace(b"{m}", b"{m}%zz"),
        "NUL as percent sign": ODDS.replace(b"{m}", b"{m}%00"),
        "CR LF as percent signs": ODDS.replace(b"{m}", b"{m}%0d%0aX:y"),
        "a fragment as percent sign": ODDS.replace(b"?", b"%23?"),
        "a query as percent sign": ODDS.replace(b"?", b"%3f"),
        "a suffix": ODDS.replace(b"?", b".css?"),
        "a suffix behind a slash": ODDS.replace(b"?", b"/x.css?"),
        "a parameter of the path": ODDS.replace(b"?", b";x=y?"),
        "capitals": ODDS.replace(b"/odds", b"/ODDS"),
        "a question mark too many": ODDS.replace(b"?", b"??"),
        "a parameter twice": ODDS + b"&markets=totals",
        "semicolons for ampersands": ODDS.replace(b"&", b";"),
        "brackets": ODDS + b"&a[]=b",
        "quotes": ODDS + b"&a=\"<'>|^`{}",
        "a pipe": ODDS + b"&a|b=c",
        "plus and percent 20": ODDS + b"&a=b+c%20d",
        "8 KiB": ODDS + b"&a=" + b"b" * 8_192,
        "nothing but a query": b"/?{m}",
        "an empty query": ODDS.partition(b"?")[0] + b"?",
        "empty parameters": ODDS + b"&&=&a=&",
    }
    for name, target in odd.items():
        yield Case(f"target with {name}", get(target), "apart")
    yield Case("target with a letter as percent sign", get(ODDS.replace(b"/odds", b"/%6fdds")), "serve")


def _bodies() -> Iterator[Case]:
    """What no shared answer may come of."""
    five = b"Content-Length: 5"
    chunked = b"Transfer-Encoding: chunked"
    yield Case("GET with a body", request(five, body=b"hello"), "apart")
    yield Case("GET with a body of chunks", request(chunked, body=b"5\r\nhello\r\n0\r\n\r\n"), "apart")
    yield Case("GET with an empty body of chunks", request(chunked, body=b"0\r\n\r\n"), "serve")
    yield Case("GET with a body of parameters", request(
        five, b"Content-Type: application/x-www-form-urlencoded", body=b"a=b&c"), "apart")  # fmt: skip
    yield Case("HEAD with a body", request(
        five, line=b"HEAD " + ODDS + b" HTTP/1.1", body=b"hello"), "apart")  # fmt: skip
    yield Case("POST to what is cached", request(
        five, line=b"POST " + ODDS + b" HTTP/1.1", body=b"hello"), "apart", changes=True)  # fmt: skip
    yield Case("POST without a length", request(line=b"POST " + PASSED + b" HTTP/1.1"), "apart")
    yield Case("POST of chunks", post(chunked, body=b"5\r\nhello\r\n0\r\n\r\n"), "apart")
    yield Case("POST of chunks in capitals", post(chunked.upper(), body=b"5\r\nhello\r\n0\r\n\r\n"), "apart")
    yield Case("POST of a chunk with an extension", post(chunked, body=b"5;a=b\r\nhello\r\n0\r\n\r\n"), "apart")
    yield Case("POST of a chunk 005", post(chunked, body=b"005\r\nhello\r\n0\r\n\r\n"), "apart")
    yield Case("POST of length 005", post(b"Content-Length: 005", body=b"hello"), "apart")
    yield Case("POST whose body is a request", post(
        b"Content-Length: %d" % len(PLANTED.replace(b"{m}", b"m" * 8)), body=PLANTED), "apart")  # fmt: skip
    personal = {
        "Authorization": b"Bearer other",
        "Cookie": b"session=other",
        "X-Api-Key": b"other",
    }
    for name, value in personal.items():
        yield Case(f"with {name}", request(name.encode() + b": " + value), "apart")
    for name in ("Proxy-Authorization", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        yield Case(f"with {name}", request(name.encode() + b": DELETE"), "serve")


def _hops() -> Iterator[Case]:
    """Fields that name a connection's business, or somebody else's."""
    for name in (b"Host", b"Cookie", b"Authorization", b"Content-Length", b"Transfer-Encoding", b"Cache-Control",
                 b"Connection", b"Accept-Encoding", b"If-None-Match", b"X-Forwarded-For", b"Date"):  # fmt: skip
        yield Case(f"Connection names {name.decode()}", request(b"Connection: " + name), "serve")
    yield Case("Connection names the length of a body", post(
        b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"), "apart")  # fmt: skip
    yield Case("Connection names the Cookie that is sent", request(b"Connection: Cookie", b"Cookie: a=b"), "apart")
    for value in (b"keep-alive, close", b"close, keep-alive", b"", b",,", b"\xe9", b"a b", b"keep-alive;x=y"):
        yield Case(f"Connection: {value.decode('latin-1')!r}", request(b"Connection: " + value), "serve")
    yield Case("Connection twice", request(b"Connection: keep-alive", b"Connection: close"), "serve")
    yield Case("Upgrade: websocket", request(b"Connection: Upgrade", b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), "serve")  # fmt: skip
    h2c = (b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    yield Case("Upgrade: h2c", request(*h2c, b"Upgrade: h2c"), "serve")
    yield Case("Upgrade: h2c without Connection", request(b"Upgrade: h2c"), "serve")
    yield Case("Upgrade: h2c and a request in HTTP/2", request(
        *h2c, b"Upgrade: h2c", body=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "refuse", 1)  # fmt: skip
    yield Case("Upgrade: TLS", request(b"Connection: Upgrade", b"Upgrade: TLS/1.0"), "serve")
    yield Case("Upgrade: h2c by POST", post(*h2c, b"Upgrade: h2c", b"Content-Length: 5", body=b"hello"), "apart")
    yield Case("Expect: 100-continue on GET", request(b"Expect: 100-continue"), "serve")
    yield Case("Expect: 100-continue on POST", post(
        b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"), "apart")  # fmt: skip
    yield Case("Expect: something else", request(b"Expect: something"), "serve")
    yield Case("Keep-Alive", request(b"Connection: Keep-Alive", b"Keep-Alive: timeout=5, max=1000"), "serve")
    yield Case("Proxy-Connection", request(b"Proxy-Connection: keep-alive"), "serve")
    yield Case("TE: trailers", request(b"TE: trailers", b"Connection: TE"), "serve")
    yield Case("Max-Forwards: 0", request(b"Max-Forwards: 0"), "serve")
    unkeyed = {
        "Forwarded": b"host=evil.invalid",
        "X-Forwarded-Host": b"evil.invalid",
        "X-Forwarded-Scheme": b"evil",
        "X-Original-URL": b"/evil",
        "X-Rewrite-URL": b"/evil",
        "Origin": b"http://evil.invalid",
        "Accept-Language": b"evil",
        "User-Agent": b"evil",
        "Referer": b"http://evil.invalid",
    }
    for field, value in unkeyed.items():
        yield Case(f"unkeyed {field}", request(field.encode() + b": " + value), "serve")


def _in_order() -> Iterator[Case]:
    """Odd to look at, and in order."""
    fields = {
        "no space behind the colon": (b"Accept:*/*",),
        "spaces and tabs around a value": (b"Accept: \t */* \t ",),
        "a tab within a value": (b"User-Agent: a\tb",),
        "an empty value": (b"User-Agent:",),
        "bytes above 0x7f in a value": (b"User-Agent: \xe9\xff",),
        "UTF-8 in a value": ("User-Agent: é".encode(),),
        "Content-Length: 0 on GET": (b"Content-Length: 0",),
        "every symbol of a name": (b"!#$%&'*+-.^_`|~0aZ: b",),
        "80 fields": tuple(b"A%d: b" % number for number in range(80)),
        "a field of 4 KiB": (b"A: " + b"b" * 4_096,),
        "Accept-Encoding twice": (b"Accept-Encoding: br", b"Accept-Encoding: gzip"),
        "Accept-Encoding malformed": (b"Accept-Encoding: ;;gzip;q=x,,\xe9",),
        "Accept-Encoding empty": (b"Accept-Encoding:",),
        "Accept-Encoding: gzip;q=0": (b"Accept-Encoding: gzip;q=0, *;q=0",),
        "If-None-Match twice": (b'If-None-Match: "a"', b'If-None-Match: "b"'),
        "If-None-Match malformed": (b'If-None-Match: "a',),
        "If-None-Match of 200 tags": (b"If-None-Match: " + b", ".join(b'W/"%d"' % n for n in range(200)),),
        "If-Modified-Since malformed": (b"If-Modified-Since: yesterday",),
        "Range": (b"Range: bytes=0-0",),
        "100 ranges": (b"Range: bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(100)),),
        "Range malformed": (b"Range: bytes=9999999999999999999-,x",),
        "Cache-Control of a client": (b"Cache-Control: no-cache, only-if-cached, max-age=0", b"Pragma: no-cache"),
    }
    for name, lines in fields.items():
        yield Case(name, request(*lines), "serve")
    yield Case("HTTP/1.0 with Host", get(ODDS, version=b"HTTP/1.0"), "serve")
    yield Case("HTTP/1.0 that stays", get(ODDS, b"Connection: keep-alive", version=b"HTTP/1.0"), "serve")
    yield Case("HTTP/1.0 without Host", request(line=b"GET " + ODDS + b" HTTP/1.0", host=None), "refuse", host=True)


def _pipes() -> Iterator[Case]:
    """Several requests sent together: none may be lost, none added."""
    good = request()
    unclear = post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + PLANTED)
    passed = post(b"Content-Length: 5", body=b"hello")
    yield Case("two together", good + good, "serve", 1)
    yield Case("ten together", good * 10, "serve", 9)
    yield Case("cached, passed and cached", good + passed + good, "serve", 2, 1)
    yield Case("passed and cached", passed + good, "serve", 1, 1)
    yield Case("cached, then CR LF too many", good + b"\r\n" + good, "serve", 1)
    yield Case("passed, then CR LF too many", passed + b"\r\n" + good, "serve", 1, 1)
    yield Case("cached, then unclear", good + unclear, "refuse", 1)
    yield Case("passed, then unclear", passed + unclear, "refuse", 1, 1)
    yield Case("cached, then a body too much", good + b"hello" + good, "apart", 1, changes=True)
    yield Case("cached that closes, then another", request(b"Connection: close") + PLANTED, "refuse", 1)
    yield Case("HTTP/1.0, then another", get(ODDS, version=b"HTTP/1.0") + PLANTED, "refuse", 1)
    yield Case("HEAD, then GET", get(ODDS, method=b"HEAD") + good, "serve", 1)
    yield Case("not modified, then GET", request(b"If-None-Match: *") + good, "serve", 1)
