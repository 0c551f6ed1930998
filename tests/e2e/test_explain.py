"""`holdover explain`: what it says of a request by what is stored and learnt. Who only looks changes no file."""

import hashlib
import json
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from holdover.coding import compressed
from holdover.config import load
from holdover.entry import Entry
from holdover.exchange import Request
from holdover.key import Cacheable, plan
from holdover.store.balance import Balance
from holdover.store.disk import DiskStore
from holdover.store.ledger import Ledger
from scripts.rig import CREDENTIAL, HOST, Emulator, House, emulator, write_house
from tests.e2e.vendors import CALM_PACE, OPEN, calm, stood_in
from tests.e2e.wire import STILL, ask
from tests.here import run


@pytest.fixture
def written(tmp_path: Path, shared_provider: Emulator) -> House:
    return write_house(tmp_path, shared_provider.url)


def sentence(done: subprocess.CompletedProcess[str], status: int) -> str:
    """What a command that could not do it says, which is never a traceback."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("holdover: ")
    return done.stderr


DATES = f"https://{HOST}/v4/sports/soccer_epl/odds?regions=uk&markets=h2h&dateFormat=unix&oddsFormat=decimal"


def explained(house: House, *arguments: str) -> dict[str, Any]:
    done = run(house, "explain", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_explain_uses_what_was_learnt(written: House):
    """Without a ledger, with one, and after a comparison switched a kind off; `trust` switches it on again."""
    written.write_profile("the-odds-api", top=OPEN, kinds='["dates", "odds"]')
    before = explained(written, DATES)
    assert before["learnt"] == "nothing: there is no ledger yet"
    assert before["superset"] == []
    assert "dateFormat=iso" in before["upstream"]
    assert "oddsFormat=decimal" in before["upstream"]
    assert not (written.folder / "var" / "store" / "ledger.db").exists()
    with closing(Ledger(written.folder / "var" / "store")) as ledger:
        assert explained(written, DATES)["learnt"] == "nothing yet"
        ledger.learn(
            "the-odds-api", "projection", "odds", {"state": "verified", "equal": 50, "different": 0, "at": 0}
        )
        verified = explained(written, DATES)
        assert verified["learnt"] == "odds verified by comparisons"
        assert "dateFormat=iso&markets=h2h&oddsFormat=american" in verified["upstream"]
        ledger.learn("the-odds-api", "projection", "dates", {"state": "off", "equal": 0, "different": 1, "at": 0})
        off = explained(written, DATES)
        assert off["learnt"] == "dates switched off by a comparison; odds verified by comparisons"
        assert "dateFormat=unix&markets=h2h&oddsFormat=american" in off["upstream"]
    assert run(written, "trust", "the-odds-api/dates").returncode == 0
    assert explained(written, DATES) == verified


def test_explain_tells_of_regions_and_outrights_that_were_learnt(written: House):
    written.write_profile("the-odds-api", kinds='["bookmakers", "outrights"]\nlearn_regions = true')
    with closing(Ledger(written.folder / "var" / "store")) as ledger:
        for region in ("us", "uk"):
            ledger.learn("the-odds-api", "region", region, ["one", "two"])
        ledger.learn("the-odds-api", "region-compared", "us", {"state": "verified", "apart": []})
        ledger.learn("the-odds-api", "outrights", "soccer_epl", False)
    found = explained(written, DATES)
    assert found["learnt"] == "bookmakers of us; bookmakers of uk, on trial; which of 1 sport has outrights"


def test_explain_without_a_usable_ledger(written: House):
    written.write_profile("the-odds-api", top=OPEN)
    (written.folder / "var" / "store" / "ledger.db").mkdir(parents=True)
    found = explained(written, DATES)
    assert found["learnt"] == "nothing: the ledger cannot be read"
    assert found["decision"].startswith("miss: ")


WIDE, NARROW, OTHER = ("regions=uk&markets=h2h,totals", "regions=uk&markets=h2h", "regions=uk&markets=h2h,spreads")
BOARD = "https://{host}/v4/sports/soccer_epl/odds?{query}"


def board(*markets: str) -> bytes:
    """One event with one bookmaker."""
    quoted = [{"key": market, "outcomes": [{"name": "Home", "price": 1.5}]} for market in markets]
    books = [{"key": "skybet", "title": "Sky Bet", "markets": quoted}]
    return json.dumps([{"id": "e1", "commence_time": "2099-01-01T00:00:00Z", "bookmakers": books}]).encode()


def url_of(query: str) -> str:
    return BOARD.format(host=HOST, query=query)


@pytest.fixture
def shelf(written: House) -> House:
    """With windows of 1,000 s and a limit of 2,000 s."""
    paces: dict[str, Any] = dict.fromkeys(CALM_PACE, "2000") | dict.fromkeys(
        ("in_play_s", "near_s", "far_s", "empty_s"), "1000"
    )
    written.write_profile("the-odds-api", top=OPEN, window_s="1000", max_stale_s="2000", **paces)
    return written


def store(house: House, *kept: tuple[str, float, bytes], projected: str = "") -> None:
    """Puts an answer to each query into the store, so many seconds old."""
    rules = load(house.config, house.environment()).rules
    now = time.time()
    with closing(DiskStore(house.folder / "var" / "store", 1 << 24)) as opened:
        for query, age, body in kept:
            found = plan(Request("GET", HOST, f"/v4/sports/soccer_epl/odds?{query}"), rules)
            assert isinstance(found, Cacheable)
            entry = Entry(found.canonical, 200, (("content-type", "application/json"),), body, compressed(body), "r")
            opened.put(replace(entry, requested_at=now - age, received_at=now - age, projected=projected), now)


def asked(query: str, cost: int) -> str:
    """What `explain` says of a request that goes to the provider as it is, or wider."""
    return f"markets={query}&oddsFormat=decimal&regions=uk is asked, for {cost} credit"


@pytest.mark.parametrize(
    ("age", "state", "upstream", "decision"),
    [
        (
            10,
            "fresh, ",
            "markets=h2h%2Ctotals&oddsFormat=decimal&regions=uk is stored",
            "miss: made from a stored wider answer; ",
        ),
        (1500, "stale, ", asked("h2h", 1), "miss: one request goes to the provider; "),
        (5000, "too old, ", asked("h2h", 1), "miss: one request goes to the provider; "),
        (-5000, "of unknown age: ", asked("h2h", 1), "miss: one request goes to the provider; "),
    ],
)
def test_a_wider_answer_is_used_only_while_it_is_fresh(
    shelf: House, age: int, state: str, upstream: str, decision: str
):
    store(shelf, (WIDE, age, board("h2h", "totals")))
    found = explained(shelf, url_of(NARROW))
    (superset,) = found["superset"]
    target, _, said = superset.partition(": ")
    assert "markets=h2h%2Ctotals" in target
    assert said.startswith(state)
    assert said.endswith("; this request is answered from it") == (age == 10)
    assert age < 0 or float(said.removeprefix(state).partition(" s old")[0]) >= age
    assert upstream.replace("markets=", "dateFormat=iso&markets=") in found["upstream"]
    assert found["decision"].startswith(decision)
    assert found["stored"] == "nothing"


def test_the_one_that_answers_is_named_among_several(shelf: House):
    """The first that is fresh, in the order in which they came; one that came again keeps its place."""
    all_three = "regions=uk&markets=h2h,spreads,totals"
    store(shelf, (WIDE, 1500, board("h2h", "totals")), (OTHER, 300, board("h2h", "spreads")))
    store(shelf, (all_three, 20, board("h2h", "spreads", "totals")), (OTHER, 10, board("h2h", "spreads")))
    stale, answers, other = explained(shelf, url_of(NARROW))["superset"]
    assert "h2h%2Ctotals" in stale
    assert "; " not in stale
    assert "h2h%2Cspreads&" in answers
    assert answers.endswith("; this request is answered from it")
    assert other.endswith("; it would do")
    text = run(shelf, "explain", url_of(NARROW)).stdout.splitlines()
    first = next(n for n, line in enumerate(text) if line.startswith("superset"))
    assert [line[:11].strip() for line in text[first : first + 4]] == ["superset", "", "", "stored"]


def test_a_wider_answer_whose_content_does_not_allow_it(shelf: House):
    """The event would lose its only bookmaker; what the provider does then is not known."""
    store(shelf, (WIDE, 10, board("totals")))
    found = explained(shelf, url_of(NARROW))
    (superset,) = found["superset"]
    assert superset.endswith("; what is in it does not allow to make this answer of it")
    assert "markets=h2h&" in found["upstream"]
    assert found["upstream"].endswith("is asked, for 1 credit")


def test_what_is_asked_when_nothing_will_do_is_named_with_its_cost(shelf: House):
    """Of several regions and markets; of a time window the whole board, which costs as much and serves all."""
    found = explained(shelf, url_of("regions=uk,us&markets=h2h,totals"))
    assert found["superset"] == []
    assert found["upstream"].endswith("regions=uk%2Cus is asked, for 4 credits")
    found = explained(shelf, url_of(f"{NARROW}&commenceTimeFrom=2026-11-24T00:00:00Z"))
    assert "commenceTimeFrom" not in found["upstream"]
    assert found["upstream"].endswith("is asked, for 1 credit; this request is answered from it")


def test_its_own_answer_past_its_window(shelf: House):
    store(shelf, (NARROW, 1500, board("h2h")))
    found = explained(shelf, url_of(NARROW))
    assert found["stored"].startswith("stale, 15")
    assert found["decision"].endswith("else fetched first; kept for failures")
    store(shelf, (WIDE, 10, board("h2h", "totals")))
    found = explained(shelf, url_of(NARROW))
    assert found["decision"].endswith("else made anew from a wider answer")
    store(shelf, (NARROW, 5, board("h2h")))
    found = explained(shelf, url_of(NARROW))
    assert (found["upstream"], found["decision"][:4]) == ("nothing is asked", "hit:")
    assert found["superset"][0].endswith("; it would do")


def test_what_is_itself_made_from_a_wider_answer_carries_narrower_ones(shelf: House):
    """The whole board was cut from one that is no longer stored; it holds every time window."""
    store(shelf, (NARROW, 10, board("h2h")), projected="markets")
    found = explained(shelf, url_of(f"{NARROW}&commenceTimeFrom=2026-11-24T00:00:00Z"))
    assert found["superset"] == []
    assert found["upstream"].startswith("nothing is asked: /v4/sports/soccer_epl/odds?dateFormat=iso&markets=h2h&")
    assert found["decision"].startswith("miss: made from a stored wider answer; ")


def test_an_answer_made_by_a_kind_that_was_switched_off_does_not_stand(shelf: House):
    store(shelf, (NARROW, 10, board("h2h")), projected="markets")
    found = explained(shelf, url_of(NARROW))
    assert "made from a wider answer (markets)" in found["stored"]
    with closing(Ledger(shelf.folder / "var" / "store")) as ledger:
        ledger.learn("the-odds-api", "projection", "markets", {"state": "off"})
    assert explained(shelf, url_of(NARROW))["stored"] == "nothing"


def test_what_it_says_is_what_happens(tmp_path: Path):
    """Asked before each request of a running house; the provider's account shows what came of it."""
    everything = [f"{query}&apiKey=k" for query in (WIDE, NARROW, "regions=uk,eu&markets=spreads", OTHER, NARROW)]
    with (
        emulator(**STILL) as provider,
        stood_in(tmp_path, provider.url, "the-odds-api", top=OPEN, **calm(*CALM_PACE)) as house,
    ):
        said, paid = [], []
        for query in everything:
            said.append(explained(house, url_of(query))["upstream"].partition("asked, for ")[2].split(" credit")[0])
            reply = ask(house.ports["reverse"], f"/v4/sports/soccer_epl/odds?{query}")
            assert reply.status == 200
            paid.append(reply["x-requests-last"])
    assert [cost or "0" for cost in said] == paid == ["2", "0", "2", "2", "0"]


def test_explain_knows_from_the_ledger_what_is_suspended(shelf: House):
    """A freeze holds back the calls that cost, a credential that is not accepted all of them."""
    sports = f"https://{HOST}/v4/sports"
    until = time.time() + 3600
    with closing(Ledger(shelf.folder / "var" / "store")) as ledger:
        ledger.tell("the-odds-api", "", Balance(0, 500, time.time(), frozen_until=until))
    written = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(until))
    why = f"calls that cost are suspended until {written}, as the quota is used up"
    found = explained(shelf, url_of(NARROW))
    assert ", for 1 credit, is suspended; " in found["upstream"]
    assert found["decision"] == f"miss: the provider's own refusal; {why}"
    assert explained(shelf, sports)["decision"].startswith("miss: one request goes to the provider; ")
    store(shelf, (NARROW, 1500, board("h2h")))
    found = explained(shelf, url_of(NARROW))
    assert found["decision"].startswith("past its window: served up to 2000 s, then the provider's own refusal; ")
    with closing(Ledger(shelf.folder / "var" / "store")) as ledger:
        ledger.tell("the-odds-api", "", Balance(None, None, 0.0, dead=True))
    assert explained(shelf, sports)["upstream"].endswith("/v4/sports is asked, for 0 credits, once a minute at most")


GOOD, LISTED, SECOND, WRONG = (f"{word}-foreign-key" for word in ("good", "listed", "second", "wrong"))
KEYS = [CREDENTIAL, GOOD, LISTED, SECOND]


class Foretold(NamedTuple):
    """How a client is answered; by whose credential it is paid, in credits; `then` is how it would be answered if it
    were known."""

    how: str
    payer: str = ""
    paid: int = 0
    then: str = ""


def foretold(house: House, key: str | None) -> tuple[Foretold, dict[str, Any]]:
    """What `explain` says of a request with this key."""
    found = explained(house, url_of(WIDE if key is None else f"{WIDE}&apiKey={key}"))
    assert not [one for one in (*KEYS, WRONG) if one in str(found)]
    how = found["decision"].partition(":")[0].partition(",")[0]
    price = found["upstream"].partition("is asked, for ")[2]
    then = found.get("otherwise", "").partition(": ")[2].partition(":")[0]
    if not price:
        return Foretold(how, then=then), found
    payer = key if price.endswith(" of the client's own") else CREDENTIAL
    return Foretold(how, payer or "", int(price.partition(" credit")[0]), then), found


def happened(house: House, provider: Emulator, key: str | None) -> tuple[Foretold, int]:
    """What became of the same request, and its status."""
    before = used(provider)
    reply = ask(house.ports["reverse"], f"/v4/sports/soccer_epl/odds?{WIDE}" + (f"&apiKey={key}" if key else ""))
    how = {"hit": "hit", "fwd=uri-miss": "miss", "fwd=bypass": "forwarded"}[reply.cache.partition(";")[0]]
    paid = {payer: credit - before[payer] for payer, credit in used(provider).items() if credit != before[payer]}
    assert len(paid) <= 1
    return Foretold(how, *(next(iter(paid.items())) if paid else ())), reply.status


def used(provider: Emulator) -> dict[str, int]:
    """Credits by key."""
    accounts = provider.stats()["by_key"]
    names = {key: hashlib.sha256(key.encode()).hexdigest()[:12] for key in KEYS}
    return {key: accounts[name]["used"] if name in accounts else 0 for key, name in names.items()}


KNOWN: dict[str, Any] = {"top": f'known = ["{hashlib.sha256(LISTED.encode()).hexdigest()}"]'}
OWN: dict[str, Any] = {"top": 'clients = "own"', "env": None}


@pytest.mark.parametrize(
    ("changes", "asking"),
    [
        (
            KNOWN,
            [
                (WRONG, Foretold("forwarded", WRONG, 2, "miss"), 401),
                (None, Foretold("forwarded", then="miss"), 401),
                (LISTED, Foretold("miss", CREDENTIAL, 2), 200),
                (CREDENTIAL, Foretold("hit"), 200),
                (WRONG, Foretold("forwarded", WRONG, 2, "hit"), 401),
                (GOOD, Foretold("forwarded", GOOD, 2, "hit"), 200),
                (GOOD, Foretold("hit"), 200),
            ],
        ),
        (
            OWN,
            [
                (None, Foretold("forwarded"), 401),
                (GOOD, Foretold("miss", GOOD, 2), 200),
                (GOOD, Foretold("hit"), 200),
                (SECOND, Foretold("miss", SECOND, 2), 200),
                (WRONG, Foretold("miss", WRONG, 2), 401),
            ],
        ),
    ],
    ids=["known", "own"],
)
def test_what_it_says_is_what_happens_to_every_kind_of_client(
    tmp_path: Path, changes: dict[str, Any], asking: list[tuple[str | None, Foretold, int]]
):
    """Asked before each request of a running house. What is refused is not paid."""
    with (
        emulator(**STILL, credential=KEYS) as provider,
        stood_in(tmp_path, provider.url, "the-odds-api", **changes, **calm(*CALM_PACE)) as house,
    ):
        for key, expected, status in asking:
            said, found = foretold(house, key)
            assert said == expected, found
            told = Foretold(said.how) if status == 401 else said._replace(then="")
            assert happened(house, provider, key) == (told, status), found


def content(house: House) -> dict[str, bytes]:
    folder = house.folder / "var"
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def damage(path: Path) -> None:
    path.write_bytes(b"\xa5" * 8192)


LOOKS = [("budget",), ("budget", "--json"), ("trust", "the-odds-api/odds")]


@pytest.mark.parametrize("command", [*LOOKS, ("check",), ("explain", url_of(NARROW))])
def test_who_only_looks_changes_no_file(shelf: House, command: tuple[str, ...]):
    """`trust` of what is not switched off is one of them."""
    store(shelf, (WIDE, 10, board("h2h", "totals")))
    with closing(Ledger(shelf.folder / "var" / "store")) as ledger:
        ledger.spend("the-odds-api", "odds", "", 1.0, 1, time.time())
    before = content(shelf)
    done = run(shelf, *command)
    assert done.returncode == (command[0] == "trust"), done.stderr
    assert content(shelf) == before


@pytest.mark.parametrize("command", LOOKS)
def test_a_damaged_ledger_is_told_and_left_alone(shelf: House, command: tuple[str, ...]):
    path = shelf.folder / "var" / "store" / "ledger.db"
    Ledger(path.parent).close()
    damage(path)
    before = content(shelf)
    said = sentence(run(shelf, *command), 1)
    assert f"{path} is damaged (" in said
    assert "or let `holdover up` set it aside and begin it anew" in said
    assert content(shelf) == before


def test_explain_goes_on_with_a_warning_beside_damaged_files(shelf: House):
    folder = shelf.folder / "var" / "store"
    store(shelf, (WIDE, 10, board("h2h", "totals")))
    Ledger(folder).close()
    damage(folder / "ledger.db")
    before = content(shelf)
    done = shelf.run("explain", "--json", url_of(NARROW))
    found = json.loads(done.stdout)
    assert (done.returncode, found["learnt"]) == (0, "nothing: the ledger cannot be read")
    assert found["upstream"].startswith("nothing is asked: ")
    assert f"WARNING holdover.stored: {folder / 'ledger.db'} is damaged (" in done.stderr
    assert done.stderr.endswith("; going on without what was learnt\n")
    assert content(shelf) == before

    damage(folder / "cache.db")
    before = content(shelf)
    done = shelf.run("explain", "--json", url_of(NARROW))
    found = json.loads(done.stdout)
    assert (done.returncode, found["stored"]) == (0, "unknown: the store cannot be read")
    assert f"{folder / 'cache.db'} is damaged (" in done.stderr
    assert content(shelf) == before


CALL = "https://api.betfair.com/exchange/betting/json-rpc/v1"
BOOKS = '{"jsonrpc": "2.0", "method": "SportsAPING/v1.0/listMarketBook", "params": {"marketIds": ["1.2"]}, "id": 7}'
FIELDS = ("-H", "X-Application: secret-key", "-H", "X-Authentication: secret-session")


@pytest.fixture
def exchange(written: House) -> House:
    written.write_profile("betfair", hosts='["api.betfair.com"]')
    return written


def test_explain_of_a_call_by_post(exchange: House, tmp_path: Path):
    """Given as text, by a file, and on the standard input; the id is the client's own and no part of the key."""
    other = tmp_path / "call.json"
    other.write_text(BOOKS.replace('"id": 7', '"id": "mine"').replace(": ", ":"))
    found = explained(exchange, CALL, *FIELDS, "--body", BOOKS)
    assert found["route"] == "betfair/json-rpc"
    assert found["canonical"].startswith("POST ")
    assert json.loads(found["body"]) == {**json.loads(BOOKS), "id": 1}
    assert found["echo"].startswith("7 ")
    assert found["decision"].startswith("forwarded, as the client is not known: ")
    assert "secret" not in str(found)
    by_file = explained(exchange, CALL, *FIELDS, "--method", "post", "--body", f"@{other}")
    command = exchange.command("explain", "--json", CALL, *FIELDS, "--body", "@-")
    piped = subprocess.run(
        command, env=exchange.environment(), input=other.read_text(), capture_output=True, text=True, timeout=60
    )
    assert json.loads(piped.stdout) == by_file
    assert by_file["echo"].startswith('"mine" ')
    assert by_file["key"] == found["key"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--body", "[]"), "a batch of calls is not cached"),
        (("--body", "nonsense"), "the body is not one JSON-RPC call"),
        (("--method", "POST"), "the body is not one JSON-RPC call"),
        (
            ("--body", BOOKS.replace("listMarketBook", "placeOrders")),
            "the method is not one whose answers are shared",
        ),
        (("--method", "GET", "--body", BOOKS), "method GET is not cached"),
        (("--method", "DELETE"), "method DELETE is not cached"),
        ((), "method GET is not cached"),
    ],
)
def test_explain_tells_why_a_call_is_not_cached(exchange: House, arguments: tuple[str, ...], reason: str):
    assert explained(exchange, CALL, *arguments)["decision"] == f"passed to the provider untouched: {reason}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "P OST"), "'P OST' is no method of a request"),
        (("--method", ""), "'' is no method of a request"),
        (("--body", "@no/such/file"), "no/such/file: No such file or directory"),
    ],
)
def test_explain_of_what_is_no_request(exchange: House, arguments: tuple[str, ...], said: str):
    assert said in sentence(run(exchange, "explain", CALL, *arguments), 1)
