"""What the planner and the governor make of what is kept fresh, partition by partition."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdover.account import Account
from holdover.canonical import CanonicalRequest
from holdover.content import Board
from holdover.provider_settings import ProviderSettings
from holdover.providers.profile import Knowledge
from holdover.route_settings import RouteSettings
from holdover.rules import Provider, compile_provider
from sidecar.refresh.economy import Economy, economize, economize_each, overall
from sidecar.refresh.schedule import Kept

NOON = 1_800_014_400.0 // 86_400 * 86_400 + 43_200
KNOWN = Knowledge(kinds=frozenset({"markets", "regions"}))
UNKNOWN = Board()
IN_PLAY = Board(events=1, starts=(NOON - 60,))
FAR = Board(events=1, starts=(NOON + 864_000,))


def route(**changes: object) -> RouteSettings:
    return RouteSettings.model_validate(
        {"name": "odds", "path": "/v4/sports/{sport}/odds", "window_s": 10, "max_stale_s": 1000, "starts": "begins"}
        | changes
    )


def provider(*routes: RouteSettings, **quota: object) -> Provider:
    return compile_provider(
        ProviderSettings.model_validate(
            {
                "name": "vendor",
                "profile": "the-odds-api",
                "hosts": ["api.vendor.test"],
                "origin": "https://api.vendor.test",
                "quota": {"resets": "daily", **quota},
                "routes": list(routes or (route(),)),
            }
        )
    )


VENDOR = provider()


def kept(
    markets: str = "h2h",
    partition: str = "",
    board: Board = UNKNOWN,
    sport: str = "epl",
    of: RouteSettings | None = None,
) -> Kept:
    of = of or VENDOR.routes[0].settings
    query = (("dateFormat", "iso"), ("markets", markets), ("oddsFormat", "decimal"), ("regions", "uk"))
    request = CanonicalRequest("vendor", of.name, f"/v4/sports/{sport}/odds", query, partition=partition)
    return Kept(request, of, board, of.window_s)


def account(left: float | None) -> Account:
    made = Account(VENDOR.settings.quota, VENDOR.settings.limits)
    made.balance = replace(made.balance, remaining=left, told_at=NOON)
    return made


def each(
    items: list[Kept],
    left: Mapping[str, float | None],
    before: Mapping[str, Economy] | None = None,
    of: Provider = VENDOR,
) -> dict[str, Economy]:
    accounts = {name: account(amount) for name, amount in left.items()}
    return economize_each(of, items, KNOWN, frozenset(), accounts, NOON, before or {})


def test_a_key_of_its_own_is_its_own_carrier():
    item = kept()
    found = economize(VENDOR, [item], KNOWN, frozenset(), account(None), NOON)
    assert found.plan.carriers == {item.request.key: item.request}
    assert found.stretches == {item.request.key: 1}
    assert found.allocation.per_day == 8640


def test_each_partition_is_stretched_by_its_own_account():
    items = [kept(partition=name) for name in ("", "gold", "free")]
    found = each(items, {"": None, "gold": 2160.0, "free": 1e9})
    stretches = {item.request.partition: found[item.request.partition].stretches[item.request.key] for item in items}
    assert stretches == {"": 1, "gold": 2, "free": 1}
    whole = overall(found.values())
    assert whole.stretches == {item.request.key: stretches[item.request.partition] for item in items}
    assert whole.longest == {"unknown": 2}
    assert whole.affordable
    assert whole.per_day == 8640 * 2.5


def test_all_are_told_when_it_is_too_little_for_one():
    found = each([kept(partition="a"), kept(partition="b")], {"a": 1.0, "b": 1e9})
    assert not overall(found.values()).affordable
    assert overall(found.values()).longest == {"unknown": 80}


def test_the_phases_of_all_partitions_are_told():
    items = [kept(partition="a", board=IN_PLAY), kept("totals", "a", IN_PLAY, "nba"), kept(partition="b", board=FAR)]
    assert overall(each(items, {"a": None, "b": None}).values()).longest == {"in_play": 1, "far": 1}


def test_nothing_is_fetched_for_another_partition():
    """In one partition the narrow one would be made from the wide one."""
    wide, narrow = kept("h2h,totals"), kept("h2h")
    together = overall(each([wide, narrow], {"": None}).values())
    assert together.carriers[narrow.request.key] == wide.request
    narrow = kept("h2h", "gold")
    apart = overall(each([wide, narrow], {"": None, "gold": None}).values())
    assert apart.carriers[narrow.request.key] == narrow.request


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            kept,
            st.sampled_from(["h2h", "totals", "h2h,totals", "spreads", "h2h,spreads,totals"]),
            st.sampled_from(["", "gold", "tenant"]),
            st.sampled_from([UNKNOWN, IN_PLAY, FAR]),
            st.sampled_from(["epl", "nba"]),
        ),
        max_size=20,
    ),
    st.dictionaries(st.sampled_from(["", "gold", "tenant"]), st.none() | st.floats(0, 1e5)),
)
def test_a_partition_is_planned_as_if_it_were_alone(items, left):
    left = {"": None, "gold": None, "tenant": None} | left
    whole = overall(each(items, left).values())
    partitions = {item.request.key: item.request.partition for item in items}
    assert whole.carriers.keys() == whole.stretches.keys() == partitions.keys()
    for key, carrier in whole.carriers.items():
        assert carrier.partition == partitions[key]
    for name in left:
        alone = [item for item in items if item.request.partition == name]
        found = economize(VENDOR, alone, KNOWN, frozenset(), account(left[name]), NOON)
        assert {key: whole.stretches[key] for key in found.stretches} == found.stretches
        assert {key: whole.carriers[key] for key in found.plan.carriers} == dict(found.plan.carriers)


def test_nothing_is_planned_again_while_nothing_changed():
    items = [kept("h2h,totals"), kept("h2h"), kept("h2h", "gold")]
    left: dict[str, float | None] = {"": None, "gold": None}
    first = each(items, left)
    again = each(items, left, first)
    assert all(again[name].plan is first[name].plan for name in left)
    changed = each([*items, kept("spreads", "gold")], left, first)
    assert changed[""].plan is first[""].plan
    assert changed["gold"].plan is not first["gold"].plan


def test_what_one_partition_was_refused_makes_no_other_plan_anew():
    wide, narrow, other = kept("h2h,totals"), kept("h2h"), kept("h2h", "gold")
    accounts = {"": account(None), "gold": account(None)}
    first = economize_each(VENDOR, [wide, narrow, other], KNOWN, frozenset(), accounts, NOON, {})
    refused = frozenset({(wide.request.key, narrow.request.key)})
    again = economize_each(VENDOR, [wide, narrow, other], KNOWN, refused, accounts, NOON, first)
    assert again[""].plan.carriers[narrow.request.key] == narrow.request
    assert again["gold"].plan is first["gold"].plan


def test_keys_of_a_group_are_stretched_alike_but_not_with_those_of_another_partition():
    grouped = route(group="boards")
    of = provider(grouped)
    live, far = kept("h2h", "a", IN_PLAY, "epl", grouped), kept("h2h", "a", FAR, "nba", grouped)
    other = kept("h2h", "b", FAR, "nba", grouped)
    found = overall(each([live, far, other], {"a": 8640 * 0.75, "b": 432.0}, of=of).values()).stretches
    assert found[live.request.key] == found[far.request.key] == pytest.approx(4 / 3), "both are paid for each time"
    assert found[other.request.key] == pytest.approx(10)


def test_a_provider_of_which_nothing_is_kept_is_well():
    whole = overall(())
    assert (whole.carriers, whole.stretches, whole.longest, whole.affordable, whole.per_day) == ({}, {}, {}, True, 0)


def test_what_is_free_does_not_keep_its_group_from_being_stretched():
    paid, free = (
        route(group="boards"),
        route(name="events", path="/v4/sports/{sport}/events", group="boards", cost=0),
    )
    boards = kept("h2h", "a", FAR, "epl", paid)
    events = CanonicalRequest("vendor", "events", "/v4/sports/epl/events", (), partition="a")
    together = [boards, replace(boards, request=events, route=free)]
    found = each(together, {"a": 432.0}, of=provider(paid, free))["a"]
    alone = each([boards], {"a": 432.0}, of=provider(paid, free))["a"]
    assert found.stretches == {boards.request.key: pytest.approx(10), events.key: pytest.approx(10)}
    assert found.allocation.per_day == alone.allocation.per_day
