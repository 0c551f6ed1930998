"""What each key may spend: quotas, months, dead keys, and 429s that the rate does not explain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from scripts.emulator.ledger import Ledger, fingerprint, next_month

from .conftest import QUICK, Server

EPL = "/v4/sports/soccer_epl"
QUOTA = ("x-requests-remaining", "x-requests-used", "x-requests-last")
THREE = f"{EPL}/odds?regions=us,uk,eu&apiKey="


def test_a_key_can_have_a_quota_of_its_own_and_overdraw_it(server: Server) -> None:
    reply = server.order("/_keys", key="small", quota=10, used=8)
    assert reply.json["keys"][fingerprint("small")]["remaining"] == 2
    paid = server.get(f"{THREE}small")
    assert [paid.headers[name] for name in QUOTA] == ["-1", "11", "3"]
    refused = server.get(f"{THREE}small")
    assert (refused.status, refused.json["error_code"]) == (401, "OUT_OF_USAGE_CREDITS")
    assert not set(QUOTA) & set(refused.headers)
    assert server.get(f"{THREE}large").headers["x-requests-remaining"] == "499997"


def test_a_deactivated_key_is_refused_until_it_is_active_again(server: Server) -> None:
    server.order("/_keys", key="k", deactivated=True)
    reply = server.get("/v4/sports?apiKey=k")
    assert (reply.status, reply.json["error_code"]) == (401, "DEACTIVATED_KEY")
    assert not set(QUOTA) & set(reply.headers)
    server.send("POST", "/_stats/reset")
    assert server.get("/v4/sports?apiKey=k").status == 401
    server.order("/_keys", key="k", deactivated=False)
    assert server.get("/v4/sports?apiKey=k").status == 200


def test_a_new_month_gives_quotas_back_and_keeps_what_was_spent(server: Server) -> None:
    server.get(f"{THREE}one")
    server.get(f"{THREE}two")
    server.order("/_keys", key="one", reset=True)
    assert server.get("/v4/sports?apiKey=one").headers["x-requests-used"] == "0"
    assert server.get("/v4/sports?apiKey=two").headers["x-requests-used"] == "3"
    server.order("/_keys", reset=True)
    assert server.get(f"{THREE}two").headers["x-requests-used"] == "3"
    assert server.get("/_stats").json["credits"] == {fingerprint("one"): 3, fingerprint("two"): 6}


def test_a_month_can_end_at_a_virtual_time(starting: Callable[..., Server]) -> None:
    server = starting(*QUICK, "--tick-s", "1", "--speed", "0.001")
    server.get(f"{THREE}k")
    order = server.order("/_keys", reset_in_s=60).json
    server.order("/_world", advance_s=30)
    assert server.get("/v4/sports?apiKey=k").headers["x-requests-used"] == "3"
    assert server.get("/_world").json["now"] < order["reset_at"]
    server.order("/_world", advance_s=31)
    assert server.get("/v4/sports?apiKey=k").headers["x-requests-used"] == "0"
    assert server.get("/_keys").json["reset_at"] is None


def test_months_end_by_themselves_when_asked() -> None:
    january = datetime(2026, 1, 31, 23, 59, 30, tzinfo=UTC).timestamp()
    ledger = Ledger(monthly=True)
    ledger.turn(january)
    ledger.account("k").charge(5, 100)
    ledger.turn(january + 29)
    assert ledger.account("k").used == 5
    ledger.turn(january + 30)
    assert (ledger.account("k").used, ledger.account("k").spent) == (0, 5)
    assert ledger.reset_at == datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert next_month(datetime(2026, 12, 5, tzinfo=UTC).timestamp()) == datetime(2027, 1, 1, tzinfo=UTC).timestamp()


def test_a_plan_without_historical_odds(server: Server) -> None:
    path = "/v4/historical/sports/soccer_epl/odds?regions=us&date=2035-01-01T00:00:00Z&apiKey=free"
    assert server.get(path).status == 200
    server.order("/_keys", key="free", historical=False)
    reply = server.get(path)
    assert (reply.status, reply.json["error_code"]) == (401, "HISTORICAL_UNAVAILABLE_ON_FREE_USAGE_PLAN")
    server.order("/_keys", key="free", historical=True)


def test_the_next_requests_of_a_key_can_be_refused_below_the_rate(server: Server) -> None:
    server.order("/_keys", key="k", refuse_next=2)
    replies = [server.get("/v4/sports?apiKey=k") for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 200]
    assert replies[0].json["error_code"] == "EXCEEDED_FREQ_LIMIT"
    assert "retry-after" not in replies[0].headers


def test_retry_after_comes_as_seconds_or_as_a_date(server: Server) -> None:
    server.order("/_keys", key="k", refuse_next=2)
    server.control(retry_after="seconds", retry_after_s=7)
    assert server.get("/v4/sports?apiKey=k").headers["retry-after"] == "7"
    server.control(retry_after="date")
    headers = server.get("/v4/sports?apiKey=k").headers
    wait = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
    assert 6 <= wait.total_seconds() <= 8


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"quota": 3}, "key is missing"),
        ({"key": "k", "used": -1}, "used must be an integer of at least 0"),
        ({"key": "k", "deactivated": 1}, "deactivated must be true or false"),
        ({"keys": "k"}, "unknown order: keys"),
    ],
)
def test_a_wrong_order_to_the_keys_is_named(server: Server, order: dict[str, object], message: str) -> None:
    reply = server.order("/_keys", **order)
    assert reply.status == 400
    assert reply.json["message"].startswith(message)
