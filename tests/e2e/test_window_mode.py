"""Routes with a window: it sets how long an answer is fresh, and nothing else of what HTTP says."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest

from scripts.rig import House, wait_for
from tests.e2e.scripted import HOST, ORIGIN_MODE, Scripted, Step, asked, house_of, played, script_of, scripted
from tests.e2e.wire import ask, calm_window

_numbers = count(1)


@pytest.fixture(scope="module")
def origin() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


def settings(*override: str, window: float | None = None, stale: float | None = None) -> str:
    window_s = calm_window() if window is None else window
    listed = ", ".join(f'"{name}"' for name in override)
    lines = (f"window_s = {window_s}", f"max_stale_s = {stale or 2 * window_s}", f"override = [{listed}]")
    return "\n".join((*lines, 'content = "any"', "idle_after_s = 0.1"))


@pytest.fixture(scope="module")
def house(origin: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_of(
        tmp_path_factory.mktemp("house"), origin, settings() + '\nheaders = ["Lang"]', path="/{name}"
    ) as running:
        yield running


FORBIDDEN: dict[str, tuple[list[tuple[str, str | int]], int]] = {
    "no-store": ([("Cache-Control", "max-age=60, no-store")], 200),
    "private": ([("Cache-Control", "max-age=60, private")], 200),
    "private behind broken quotes": ([("Cache-Control", 'a="b, private')], 200),
    "private by a targeted field": ([("CDN-Cache-Control", "private"), ("Cache-Control", "max-age=60")], 200),
    "no-store by a targeted field": ([("CDN-Cache-Control", "no-store"), ("Cache-Control", "max-age=60")], 200),
    "Vary: *": ([("Vary", "Lang, *")], 200),
    "Vary with a field that ends here": ([("Vary", "Origin, Range")], 200),
    "a part": ([("Content-Range", "bytes 0-1/9")], 206),
    "a part that is said to be the whole": ([("Content-Range", "bytes 0-1/9")], 200),
    "an error": ([("Cache-Control", "max-age=60")], 500),
    "a redirect": ([("Cache-Control", "max-age=60"), ("Location", "/x")], 302),
}  # fmt: skip
ALLOWED: dict[str, list[tuple[str, str | int]]] = {
    "nothing": [],
    "no lifetime": [("Cache-Control", "max-age=0, no-cache")],
    "an old date": [("Expires", "0")],
    "a field of the key": [("Vary", "lang, Accept-Encoding")],
    "must-understand": [("Cache-Control", "must-understand, no-store")],
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_must_not_be_shared_is_not(house, origin, name):
    says, status = FORBIDDEN[name]
    for reply in played(house, origin, [Step(says=says, status=status, came=True)] * 2):
        assert "stored" not in reply.cache


@pytest.mark.parametrize("name", ALLOWED)
def test_the_window_is_the_lifetime(house, origin, name):
    played(house, origin, [Step(says=ALLOWED[name], came=True), Step(says=ALLOWED[name], came=False)])


VARYING: dict[str, tuple[str, list[tuple[dict[str, str], bool]]]] = {
    "who sends nothing shares": ("Origin", [({}, False), ({}, False)]),
    "who sends something is another": ("Origin", [({"Origin": "a"}, True), ({"Origin": "b"}, True), ({}, False)]),
    "all variants are kept": ("Foo", [({"Foo": "a"}, True), ({"Foo": "b"}, True), ({"Foo": "a"}, False)]),
    "empty and absent differ": ("Foo", [({"Foo": ""}, True), ({}, False)]),
    "of two fields": (
        "Foo, Bar",
        [
            ({"Foo": "1"}, True),
            ({"Foo": "1", "Bar": "2"}, True),
            ({"Bar": "2"}, True),
            ({"Bar": "2", "Foo": "1"}, False),
        ],
    ),
    "names in any case": ("fOO", [({"Foo": "1"}, True), ({"FOO": "1"}, False)]),
    "a field that it does not name": ("Foo", [({"Bar": "1"}, False)]),
    "beside a field of the key": (
        "Lang, Foo",
        [({"Lang": "x"}, True), ({"Lang": "x", "Foo": "1"}, True), ({}, False)],
    ),
    "languages in any case": (
        "Accept-Language",
        [({"Accept-Language": "en,de"}, True), ({"Accept-Language": "EN, de"}, False)],
    ),
    "whatever is accepted": ("Accept", [({"Accept": "*/*"}, False), ({"Accept": "a/b"}, True)]),
    "what clients call themselves": ("User-Agent", [({"User-Agent": "a"}, True), ({"User-Agent": "a"}, False)]),
    "the coding": ("Accept-Encoding", [({"Accept-Encoding": "gzip"}, False), ({"Accept-Encoding": "br"}, False)]),
}  # fmt: skip


@pytest.mark.parametrize("way", [{}, {"Expect": "100-continue"}], ids=["lane", "flows"])
@pytest.mark.parametrize("name", VARYING)
def test_vary_selects(house, origin, name, way):
    """And the provider gets the fields that it says it answers by."""
    vary, steps = VARYING[name]
    says = [("Vary", vary)]
    sent = [Step({**sends, **way}, says, came=came, saw=sends if came else {}) for sends, came in steps]
    played(house, origin, [Step(way, says=says, came=True), *sent])


@pytest.mark.parametrize("name", ["no-store", "private", "Vary with a field that ends here"])
def test_who_waited_for_what_may_not_be_shared_asks_at_once(house, origin, name):
    mark, step = f"/unshared{next(_numbers)}", Step(says=FORBIDDEN[name][0], delay=0.5)
    origin.scripts[mark] = script_of(step)
    began = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: asked(house, step, mark), range(12)))
    assert len(origin.of(mark)) == 12
    assert len({reply.body for reply in replies}) == 12
    assert time.monotonic() - began < 6
    assert house.log.read_text().count("answers are for one client each") == 1


def test_what_nobody_else_is_given_is_not_refreshed(origin, tmp_path):
    lines = settings(window=0.5, stale=60.0).replace("idle_after_s = 0.1", "idle_after_s = 60")
    with house_of(tmp_path, origin, lines, path="/{name}") as house:
        own, variant, shared = (f"/refreshed{next(_numbers)}" for _ in range(3))
        alone, some = ("Cache-Control", "private"), ("Vary", "Origin")
        for mark, says, sends in ((shared, some, {}), (own, alone, {}), (variant, some, {"Origin": "a"})):
            step = Step(sends, says=[says])
            origin.scripts[mark] = script_of(step)
            for _ in range(4):
                asked(house, step, mark)
                time.sleep(0.2)
        before = {mark: len(origin.of(mark)) for mark in (own, variant, shared)}
        wait_for(lambda: len(origin.of(shared)) >= before[shared] + 4)
        assert {mark: len(origin.of(mark)) for mark in (own, variant)} == {own: 4, variant: before[variant]}


def test_a_credential_that_nobody_declared_goes_past(house, origin):
    own = {"Authorization": "Bearer a"}
    played(
        house,
        origin,
        [Step(own, came=True, saw={"authorization": "Bearer a"}), Step(came=True), Step(own, came=True)],
    )


def test_cookies_are_for_nobody_else(house, origin):
    for reply in played(house, origin, [Step(says=[("Set-Cookie", "a=b")])] * 2):
        assert "set-cookie" not in reply.names


@pytest.mark.parametrize(("status", "came"), [(200, True), (303, True), (404, False), (500, False)])
@pytest.mark.parametrize("method", ["POST", "DELETE", "FOO"])
def test_an_unsafe_method_makes_what_is_stored_invalid(house, origin, method, status, came):
    played(house, origin, [Step(came=True), Step(method=method, status=status, came=True), Step(came=came)])


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints\r\nLink: </a>"])
def test_and_if_its_answer_has_others_before_it(house, origin, interim):
    """mitmproxy took the first for all of it, and left the client waiting."""
    changes = Step(method="POST", interim=f"HTTP/1.1 {interim}\r\n\r\n" * 2, body="done", answer=200, gives="done")
    played(house, origin, [Step(), changes, changes, Step(came=True)])


@pytest.mark.parametrize("lines", [settings(), ORIGIN_MODE], ids=["window", "origin"])
def test_of_the_provider_that_was_called_and_of_no_other(origin, tmp_path, lines):
    """Also where the name of its origin is another provider's, or nobody's."""
    for other in (None, "127.0.0.1"):
        with house_of(tmp_path / f"{other}", origin, lines, path="/{name}", other=other) as house:
            for role, prefix in (("reverse", ""), ("regular", f"http://{HOST}")):
                target = f"/called{next(_numbers)}"
                origin.scripts[target] = script_of(Step(says=[("Cache-Control", "max-age=600")]))
                stored = [ask(house.ports["reverse"], target, host=host) for host in (HOST, other) if host]
                assert all("stored" in reply.cache for reply in stored)
                for method in ("POST", "get"):
                    assert ask(house.ports[role], prefix + target, method=method, host=HOST).status == 200
                    assert "stored" in ask(house.ports["reverse"], target, host=HOST).cache
                if other:
                    assert ask(house.ports["reverse"], target, host=other).cache.startswith("hit")


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "Lang"])
def test_whoever_sends_it(house, origin, name):
    changes = Step({name: "x"}, method="DELETE", came=True)
    played(house, origin, [Step(came=True), Step(came=False), changes, Step(came=True)])


def test_what_was_under_way_when_it_came_is_given_to_nobody_afterwards(house, origin):
    """Nor to who joins the flight, which has the provider asked once more."""
    mark = f"/race{next(_numbers)}"
    slow, fast = Step(body="before", delay=1.0), Step(body="after")
    origin.scripts[mark] = script_of(slow)
    with ThreadPoolExecutor(3) as pool:
        early = pool.submit(asked, house, Step(), mark)
        wait_for(lambda: len(origin.of(mark)) == 1)
        assert asked(house, Step(method="POST"), mark).status == 200
        origin.scripts[mark] = script_of(fast)
        late = pool.submit(asked, house, Step(), mark)
        assert late.result().body == b"after"
        assert early.result().status == 200
    assert asked(house, Step(), mark).body == b"after"
    assert [one.method for one in origin.of(mark)] == ["GET", "POST", "GET"]


def test_and_what_it_names(house, origin):
    there = f"/there{next(_numbers)}"
    for language in ("en", "de", "en"):
        asked(house, Step({"Lang": language}), there)
    assert len(origin.of(there)) == 2
    asked(house, Step(method="POST", says=[("Location", there)]), f"{there}-posted")
    for language in ("en", "de"):
        asked(house, Step({"Lang": language}), there)
    assert [one.method for one in origin.of(there)] == ["GET", "GET", "POST", "GET", "GET"]


def test_a_range_is_answered_with_the_whole(house, origin):
    whole = Step({"Range": "bytes=0-1"}, body="0123", came=True, saw={"range": None}, answer=200, gives="0123")
    played(house, origin, [whole, replace(whole, came=False, saw={})])


def test_interim_answers_are_not_the_answer(house, origin):
    step = Step(interim="HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", body="a", gives="a")
    played(house, origin, [replace(step, came=True), replace(step, came=False)])


@pytest.mark.parametrize("tag", ['"caf\xe9"', '"a\x01b"'])
def test_a_validator_that_cannot_be_sent_is_none(origin, tmp_path, tag):
    """Each further call failed, until what was stored was too old and beyond."""
    with house_of(tmp_path, origin, settings(window=0.5, stale=60.0), path="/{name}") as house:
        says = [("ETag", tag)]
        new = Step(says=says, body="new", wait=1.8, came=True, saw={"if-none-match": None}, gives="new")
        played(house, origin, [Step(says=says), new])


def test_must_revalidate_holds_past_the_window(origin, tmp_path):
    with house_of(tmp_path, origin, settings(window=0.5, stale=60.0), path="/{name}") as house:
        told = [
            ("Cache-Control", "max-age=60"),
            ("Cache-Control", "must-revalidate"),
            ("CDN-Cache-Control", "must-revalidate"),
        ]
        for says, expected in zip(told, (200, 503, 503), strict=True):
            steps = [Step(says=[says]), Step(status=503, wait=1.8, answer=expected)]
            played(house, origin, steps)


@pytest.mark.parametrize(
    ("rule", "says"),
    [("no-store", ("Cache-Control", "no-store")), ("private", ("Cache-Control", "private")), ("vary", ("Vary", "X"))],
)
def test_a_route_may_set_one_rule_aside(origin, tmp_path, rule, says):
    with house_of(tmp_path, origin, settings(rule), path="/{name}") as house:
        played(house, origin, [Step(says=[says], came=True), Step({"X": "1"}, says=[says], came=False)])
        played(house, origin, [Step(says=[("Vary", "*")], came=True)] * 2)
