"""The benchmark's arithmetic, its judgements, its report and its command; and one small run on real processes."""

import asyncio
import json
import platform
import re
from collections import Counter
from dataclasses import replace

import pytest

from holdover.phase import Phase
from scripts.benchmarks import (
    cold,
    hook,
    kill,
    machine,
    memory,
    odds_board,
    odds_clients,
    odds_cpu,
    odds_day,
    odds_fleet,
    odds_mix,
    odds_pairs,
    odds_projection,
    odds_quota,
    odds_scarce,
    odds_shapes,
    odds_vendor,
    poll,
    promos_cpu,
    promos_listeners,
    promos_saves,
    promos_set,
    registry,
    table,
    visible,
)
from scripts.benchmarks.__main__ import main
from scripts.benchmarks.client import KeepAlive, NoAnswerError, Reply
from scripts.benchmarks.fleet import Fleet, Sample, failures
from scripts.benchmarks.outcome import Must, Outcome, Record, Result, document, ratio_of_pairs, steps_back
from scripts.rig import free_ports
from sidecar.promos.validate import check


def broken(outcome):
    return [must.name.partition(": ")[2] for must in outcome.musts if not must.ok]


def value_of(outcome, target, metric):
    return next(r.value for r in outcome.results if (r.target, r.metric) == (target, metric))


# Arithmetic.


def test_a_limit_itself_is_kept():
    record = Record("s")
    record.at_most("a", 2, 2)
    record.at_most("b", 2, 2.01)
    record.exactly("c", 1, 1)
    record.exactly("d", 1, 0)
    record.at_least("e", 2, 2)
    record.at_least("f", 2, 1.99)
    assert broken(record.outcome()) == ["b, at most", "d, exactly", "f, at least"]


def test_outcomes_add_up():
    good = Outcome((Result("a", "t", "m", "s", 1.0),), (Must("a: x", 1, 1, ok=True),))
    bad = Outcome((Result("b", "t", "m", "s", 2.0),), (Must("b: x", 1, 2, ok=False),))
    assert good.ok
    assert Outcome().ok
    assert not (good + bad).ok
    assert [must.name for must in (good + bad).musts] == ["a: x", "b: x"]
    assert [result.scenario for result in (good + bad).results] == ["a", "b"]


def test_a_spread_has_percentiles_and_the_largest():
    record = Record("s")
    record.spread("t", "latency", "ms", [float(n) for n in range(1000)])
    assert [(r.metric, r.value) for r in record.outcome().results] == [
        ("latency P50", 499),
        ("latency P95", 949),
        ("latency P99", 989),
        ("latency max", 999),
    ]


def test_a_spread_of_nothing_is_zero():
    record = Record("s")
    record.spread("t", "latency", "ms", [])
    assert {r.value for r in record.outcome().results} == {0.0}


def test_ratio_of_pairs_sets_a_slow_phase_aside():
    # The whole machine was ten times slower in the second round.
    assert ratio_of_pairs([110, 1200, 130], [100, 1000, 100]) == pytest.approx(1.2)


@pytest.mark.parametrize(("seen", "count"), [([], 0), ([1, 1, 2, 3], 0), ([1, 3, 2, 2, 3, 4], 2), ([2, 1], 1)])
def test_steps_back(seen, count):
    assert steps_back(seen) == count


# Judgements: each promise can be broken.


def fleet_of(*clients):
    fleet = Fleet(0, ["/"], len(clients), 1.0)
    fleet._samples = [list(samples) for samples in clients]
    return fleet


GOOD = Sample(0.0, 0.1, revision=7, age=0.5)
SIZE = poll.Size(seconds=2, keys=1)


@pytest.mark.parametrize(
    ("samples", "upstream", "expected"),
    [
        ([GOOD], 4, []),
        ([GOOD], 5, ["upstream requests (keys x (seconds + 2)), at most"]),
        ([GOOD, Sample(1.0, 1.1, revision=6)], 4, ["revisions seen going backwards, exactly"]),
        ([Sample(0.0, 0.1, age=1.5)], 4, ["age at serve in s (window + longest upstream latency), at most"]),
        # It was generated while the client waited: younger when asked for.
        ([Sample(0.0, 1.0, age=1.5)], 4, []),
        ([GOOD, Sample(1.0, 1.1, "status 503")], 4, ["errors, exactly"]),
    ],
)
def test_poll_judges(samples, upstream, expected):
    assert broken(poll._judge(SIZE, fleet_of(samples), [0.1, 0.3], upstream)) == expected


def test_going_backwards_is_judged_for_each_client_alone():
    assert fleet_of([GOOD], [Sample(1.0, 1.1, revision=6)]).backwards == 0


def test_poll_asks_for_distinct_keys():
    # The credential, which each client has of its own, is no part of the key.
    assert len({re.sub("apiKey=[^&]*&", "", target) for target in poll.targets(10)}) == 10


def burst(**changes):
    return cold.Burst(**{"errors": 0, "first_s": 0.3, "last_s": 0.4, "upstream": 1, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"upstream": 2}, ["upstream requests per never-seen key, t, exactly"]),
        ({"upstream": 0}, ["upstream requests per never-seen key, t, exactly"]),
        ({"errors": 1}, ["errors, t, exactly"]),
    ],
)
def test_cold_judges_by_the_worst_burst(changes, expected):
    record = Record("cold")
    cold._judge(record, "t", [burst(), burst(**changes), burst()])
    assert broken(record.outcome()) == expected


def test_a_round_counts_its_own_key_alone():
    shapes = {"/odds?a=1&round=1": 2, "/odds?round=1&z=1": 1, "/odds?round=10": 4, "/odds?round=warm-up": 8}
    assert cold.requests_of_round(shapes, 1) == 3


KILLED = [
    Sample(0.0, 0.1, revision=1),
    Sample(9.9, 10.1, "lost"),
    # Both were answered by the process that died: the answers were on their way.
    Sample(9.9, 10.1, revision=2),
    Sample(10.05, 10.15, revision=2),
    Sample(10.2, 10.2, "refused"),
    Sample(10.5, 10.9, revision=3),
    Sample(10.6, 11.0, revision=3),
]


def test_back_counts_from_the_kill_to_a_request_made_after_the_first_failure():
    assert kill.back_after(KILLED, 10.0) == pytest.approx(0.9)


def test_a_proxy_that_never_came_back_and_one_that_never_fell():
    assert kill.back_after(KILLED[:5], 10.0) == float("inf")
    assert kill.back_after(KILLED[:1], 10.0) == 0.0


def test_failures_belong_to_the_time_in_which_they_ended():
    assert failures(KILLED, 10.0, 10.2) == ["lost"]
    assert failures(KILLED, 10.2, 20.0) == ["refused"]


def test_kill_forgives_errors_only_while_the_proxy_is_dead():
    events = [kill.Event("sidecar killed", 1.0, 2.0), kill.Event("proxy killed", 10.0, 11.0)]
    assert broken(kill._judge(fleet_of(KILLED), events)) == []
    early = fleet_of([Sample(1.0, 1.5, "status 502"), *KILLED[1:]])
    outcome = kill._judge(early, events)
    assert broken(outcome) == ["errors, sidecar killed, exactly"]
    assert value_of(outcome, "sidecar killed", "errors: status 502") == 1
    late = fleet_of([*KILLED[:5], Sample(13.0, 13.1, revision=3)])
    assert broken(kill._judge(late, events)) == ["seconds to the next good answer, proxy killed, at most"]


def test_damage_leaves_nothing_of_the_database(tmp_path):
    for name in ("cache.db", "cache.db-wal"):
        (tmp_path / name).write_bytes(b"SQLite format 3\0" * 64)
    kill.damage(tmp_path)
    for name in ("cache.db", "cache.db-wal"):
        assert (tmp_path / name).stat().st_size == 16 * 64
        junk = (tmp_path / name).read_bytes()
        assert b"SQLite" not in junk
        assert any(junk)


def reader(last_asked, first_seen):
    return visible.Reader(0, {1: first_seen}, {0: last_asked}, [0.001])


@pytest.mark.parametrize(
    ("last_asked", "first_seen", "expected"),
    [
        (10.04, 10.045, []),
        (9.9, 9.95, []),  # served before the put returned
        (10.06, 10.07, ["ms after the put that any request got the old entry, max, at most"]),
        (9.9, 10.2, ["ms from put to new entry read, P95, at most"]),
    ],
)
def test_visible_judges(last_asked, first_seen, expected):
    outcome = visible._judge([reader(9.9, 9.95), reader(last_asked, first_seen)], {1: (9.99, 10.0)})
    assert set(broken(outcome)) >= set(expected)
    assert bool(broken(outcome)) == bool(expected)


def reading(**changes):
    same = {"proxy": 100, "sidecar": 100}
    base = {"resident": same, "cpu_s": same, "series": same, "labels": same, "database": 2 * memory.MIB, "journal": 0}
    return memory.Reading(**{**base, **changes})


@pytest.mark.parametrize(
    ("changes", "errors", "expected"),
    [
        ({"resident": {"proxy": 109, "sidecar": 100}}, 0, []),
        (
            {"resident": {"proxy": 100, "sidecar": 111}},
            0,
            ["growth of the sidecar from 20 % to 100 % (0.1 = 10 %), at most"],
        ),
        ({"labels": {"proxy": 120, "sidecar": 100}}, 0, []),
        (
            {"labels": {"proxy": 121, "sidecar": 100}},
            0,
            ["values of labels that were new to the proxy's metrics after 20 %, at most"],
        ),
        ({"database": 2 * memory.MIB + 1}, 0, ["MiB of the database (store.max_bytes), at most"]),
        ({}, 1, ["errors, exactly"]),
    ],
)
def test_memory_judges(changes, errors, expected):
    size = memory.Size(10, store_mib=2)
    assert broken(memory._judge(size, errors, 1.0, reading(), reading(**changes))) == expected


@pytest.mark.parametrize(("cost", "expected"), [(130, []), (131, ["CPU of a hit / CPU of a dict, 2 KB, at most"])])
def test_hook_judges(cost, expected):
    record = Record("hook")
    baseline = hook.Server("dict", 0, 0, [100, 100, 100])
    hook._judge(record, "2 KB", hook.Server("holdover", 0, 0, [90, cost, 300]), baseline)
    assert broken(record.outcome()) == expected


# The scenario `promos`.


@pytest.mark.parametrize(("slow", "expected"), [(1, []), (2, ["ms from save to last stream told, P99, s, at most"])])
def test_saves_are_judged_by_their_99th_percentile(slow, expected):
    setting = promos_saves.Setting(50, True, 200)
    saves = [promos_saves.Save(0.1, 100.0, last) for last in [200.0] * (100 - slow) + [201.0] * slow]
    record = Record("promos")
    promos_saves._judge(record, setting, promos_saves.Measured(saves, 1.0, 300.0))
    assert [name.replace(setting.name, "s") for name in broken(record.outcome())] == expected


@pytest.mark.parametrize(("median", "count"), [(100.0, 0), (100.1, 1)])
def test_the_resolver_is_judged_by_its_median(median, count):
    record = Record("promos")
    promos_cpu._judge_resolver(record, "t", 500, [1.0, median, 900.0])
    assert len(broken(record.outcome())) == count


def test_an_event_is_told_of_when_the_last_stream_has_it_however_it_comes(capsys):
    listeners = promos_listeners.Listeners(2)
    one, other = (promos_listeners.Listener(listeners) for _ in range(2))
    answer = b"HTTP/1.1 200 OK\r\n\r\n2a\r\nevent: revision\nid: a\ndata: {}\n\n\r\n3\r\n:\n\n\r\n"
    for at in range(len(answer)):
        one.data_received(answer[at : at + 1])
    other.data_received(answer[:40])
    assert capsys.readouterr().out == ""
    other.data_received(answer[40:] + b"\nevent: revision\nid: b\ndata: {}\n\n")
    event, first, last = capsys.readouterr().out.split()
    assert event == "a"
    assert float(first) < float(last)


@pytest.mark.parametrize("count", [50, 500])
def test_the_folder_of_promos_is_good_and_of_the_size_that_is_told(tmp_path, count):
    promos_set.write_promos(tmp_path / "promos", count)
    files = {str(path.relative_to(tmp_path / "promos")): path for path in (tmp_path / "promos").rglob("*.json")}
    found = check({name: path.read_bytes() for name, path in files.items()}, None)
    assert found.problems == ()
    assert len([name for name in found.campaigns if name.startswith("campaign")]) == count
    assert 650 * count < sum(path.stat().st_size for path in files.values() if "campaign" in path.name) < 800 * count


# The scenario `odds`.


def test_the_model_has_the_figures_of_its_table():
    per_day = 12 * 86_400 / 30
    assert odds_shapes.model_saving(6, 6, dict.fromkeys(odds_shapes.SPORTS, 1440), per_day) == pytest.approx(95.8333)
    fetches = [odds_shapes.sweeps(sport, 0, 24) for sport in odds_shapes.SPORTS]
    assert 6 * sum(fetches) == 19_440
    assert odds_shapes.day_model(6, 6, 0, 24, 12 / 30) == pytest.approx(98.4375)
    # From eleven to thirteen o'clock: an hour near, an hour in play.
    assert odds_shapes.sweeps(odds_shapes.LIVE[0], 11, 13) == pytest.approx(60 + 90)


def test_every_spelling_of_a_shape_is_one_request_of_the_same_price():
    rules = odds_vendor.shipped_rules({"kinds": []})
    for shape in odds_shapes.FIVE:
        targets = [odds_shapes.spelled(shape, "soccer_epl", client, "c") for client in range(12)]
        assert len(set(targets)) >= 10
        assert len({odds_vendor.planned(rules, target).canonical.key for target in targets}) == 1
        assert len({odds_shapes.price(target) for target in targets}) == 1
    prices = [odds_shapes.price(odds_shapes.spelled(shape, "soccer_epl", 0, "c")) for shape in odds_shapes.FIVE]
    assert prices == [1, 2, 6, 1, 1]


def test_credits_are_counted_by_sport():
    shapes = {
        "/v4/sports": 3,
        "/v4/sports/soccer_epl/odds?markets=h2h&regions=uk,us": 2,
        "/v4/sports/tennis_atp/odds?markets=h2h&regions=us": 5,
    }
    assert odds_mix.credits_of(shapes, "soccer_epl") == 4


def test_a_mix_is_judged_by_its_dearest_sweep():
    mix = odds_mix.Mix("m", odds_shapes.COUNTER, 7, 7)
    for spent, expected in (([7, 7], []), ([7, 8], ["credits of a sweep, m, at most"]), ([0], [NOTHING])):
        record = Record("odds")
        odds_mix._judge(record, mix, spent)
        assert broken(record.outcome()) == expected


NOTHING = "credits of all windows, m, at least"
UNFAIR = "looks at which boards in play were stretched more than others, exactly"
GAP = "s between two fetches with scarce credits, {} (max_stale), at most"
BOARD_MS = "ms of CPU to refresh a 420 KB board with 8 projections, median, at most"
REFUSAL = b"no credits"


def quota_seen(started, ended, failure="", body=b""):
    return odds_quota.Seen(Sample(started, ended, failure, body=body), limit_s=6.0, stored_at=100.0)


@pytest.mark.parametrize(
    ("more", "paid", "expected"),
    [
        ([], 0, []),
        ([], 6, ["credits spent after the quota was used up, exactly"]),
        ([quota_seen(106.1, 106.2)], 0, ["odds served past max_stale_s, exactly"]),
        ([quota_seen(105.9, 106.1)], 0, []),
        ([quota_seen(105.8, 105.9, "status 401", REFUSAL)], 0, ["refusals before max_stale_s, exactly"]),
        ([quota_seen(107.0, 107.1, "status 503", b"ours")], 0, ["answers that the provider did not give, exactly"]),
    ],
)
def test_quota_judges(more, paid, expected):
    seen = [quota_seen(105.0, 105.1), quota_seen(106.0, 106.1, "status 401", REFUSAL), *more]
    record = Record("odds")
    odds_quota._judge(record, odds_quota.Ended(seen, REFUSAL, 24, paid))
    assert broken(record.outcome()) == expected


@pytest.mark.parametrize(
    ("refreshes", "cpu_s", "body", "expected"),
    [
        (1000, 9.0, 18_000, []),
        (949, 9.0, 20_000, ["refreshes in a window (0.95 x keys), at least"]),
        (1000, 9.1, 20_000, ["% of a core for 1,000 refreshes of 20 KB a minute, at most"]),
        (1000, 9.0, 17_999, ["bytes of each body of 20 KB, at least"]),
    ],
)
def test_refreshes_are_judged(refreshes, cpu_s, body, expected):
    record = Record("odds")
    odds_cpu._judge_minute(record, 1000, odds_cpu.Minute(60.0, refreshes, cpu_s, body))
    assert broken(record.outcome()) == expected


@pytest.mark.parametrize(
    ("bodies", "costs", "expected"),
    [
        ([425_000, 400_000], [99.0, 100.0, 300.0], []),
        ([425_000, 399_999], [99.0, 100.0], ["bytes of each board of 420 KB, at least"]),
        ([425_000], [99.0, 101.0, 102.0], [BOARD_MS]),
    ],
)
def test_a_board_is_judged_by_its_size_and_its_median(bodies, costs, expected):
    record = Record("odds")
    odds_cpu._judge_board(record, bodies, costs)
    assert broken(record.outcome()) == expected


def slice_sample(**changes):
    target = odds_shapes.spelled(odds_shapes.WHOLE, "soccer_epl", 0, "c")
    return target, Sample(**{"started": 1.0, "ended": 1.1, "age": 1.0, **changes})


FLEET = odds_fleet.FleetSize(odds_day.DaySize(), 1, (), 2.0)
FLAT = "one window, real, 30 x"


@pytest.mark.parametrize(
    ("spent", "last", "expected"),
    [
        (36, {}, []),
        (37, {}, [f"% of credits saved, {FLAT}, at least"]),
        (36, {"age": 2.7}, [f"answers past window and 0.5 s, {FLAT}, exactly"]),
        (36, {"age": 2.3, "told": 1.0}, [f"answers whose Age understates, {FLAT}, exactly"]),
        (36, {"failure": "status 503"}, [f"errors, {FLAT}, exactly"]),
    ],
)
def test_a_slice_is_judged(spent, last, expected):
    samples = [slice_sample()] * 143 + [slice_sample(**last)]
    record = Record("odds")
    odds_fleet._judge_slice(record, odds_fleet.FLAT, FLEET, spent, samples)
    assert broken(record.outcome()) == expected


def test_what_was_not_asked_is_not_counted_as_saved():
    record = Record("odds")
    odds_fleet._judge_slice(record, odds_fleet.FLAT, FLEET, 36, [slice_sample()] * 100)
    assert broken(record.outcome()) == [
        f"answers (0.95 x polls), {FLAT}, at least",
        f"% of credits saved, {FLAT}, at least",
    ]


@pytest.mark.parametrize("begin_h", [0.0, 11.5])
def test_a_virtual_hour_costs_what_the_model_says(begin_h):
    size = odds_day.DaySize(1.0, clients=2, every_s=60.0, events=2, tick_s=300.0, begin_h=begin_h)
    rules = odds_vendor.shipped_rules({"kinds": list(odds_vendor.KINDS), "regions": odds_vendor.region_table()})
    counts = odds_day.Day(size, rules, odds_fleet.targets([odds_shapes.WHOLE], 2, "c")).run()
    assert (counts.answers, counts.direct, counts.late.total()) == (720, 4320, 0)
    model = 6 * sum(odds_shapes.sweeps(sport, begin_h, begin_h + 1) for sport in odds_shapes.SPORTS)
    # A first fetch of each sport, and one minute until the sidecar knows what the sport is doing.
    assert model <= counts.spent <= model + 3 * 36


@pytest.mark.parametrize(
    ("saved", "late", "expected"),
    [
        (984, 0, []),
        (983, 0, ["% of credits saved, d, at least"]),
        (984, 1, ["answers older than the promise, d, exactly"]),
    ],
)
def test_a_day_is_judged(saved, late, expected):
    counts = odds_day.Counts(answers=10, direct=1000, spent=1000 - saved, late=Counter[Phase]({"near": late}))
    record, reported = Record("odds"), Record("odds")
    odds_fleet._judge_day(record, "d", counts, 99.0, 98.4)
    assert broken(record.outcome()) == expected
    odds_fleet._report_day(reported, "d", counts, 99.0)
    assert broken(reported.outcome()) == expected[-1:] * (late > 0)


def test_a_region_table_is_what_the_claim_of_the_planner_rests_on():
    size = odds_day.DaySize(0.5, clients=2, every_s=60.0, events=2, tick_s=300.0, begin_h=11.5)
    record = Record("odds")
    odds_fleet.measure_days(record, odds_fleet.FleetSize(size, 0.1, (), 0.0, clients=2, tiers_alone=False))
    outcome = record.outcome()
    spent = {r.target: r.value for r in outcome.results if r.metric == "credits spent"}
    told, shipped = f"{odds_fleet.PLANNED}, virtual day", f"{odds_fleet.SHIPPED}, virtual day"
    assert spent[told] < 0.75 * spent[shipped]
    judged = [must.name for must in outcome.musts if "saved" in must.name]
    assert [name for name in judged if "planner" in name] == [f"odds: % of credits saved, {told}, at least"]
    assert sum(must.value for must in outcome.musts if "older" in must.name) == 0


DRAWN = "projections compared with the provider's own answer, at least"
DIFFER = "projections that differ from it by any byte, exactly"
REFUSED = "projections refused because of the content, at least"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"equal": 500, "refused": 3, "not allowed": 9}, []),
        ({"equal": 499, "shows nothing": 200, "refused": 9}, [DRAWN]),
        ({"equal": 499, "different": 1, "refused": 1}, [DIFFER]),
        ({"equal": 500, "refused": 0}, [REFUSED]),
    ],
)
def test_projections_are_judged_by_what_was_compared(found, expected):
    record = Record("odds")
    odds_projection._judge(record, 500, Counter(found), [])
    outcome = record.outcome()
    assert broken(outcome) == expected
    assert value_of(outcome, odds_projection.TARGET, "pairs whose content did not allow it") == found["refused"]
    assert value_of(outcome, odds_projection.TARGET, "pairs that differ") == found.get("different", 0)
    assert value_of(outcome, odds_projection.TARGET, "pairs that show nothing") == found.get("shows nothing", 0)


def test_pairs_are_drawn_again_alike_and_none_is_counted_twice():
    drawn = []

    def noted(scene, pair):
        drawn.append((id(scene), *odds_pairs.keys_of(pair)))
        return odds_pairs.compared(scene, pair)

    found, different = odds_projection.compare(60, noted)
    assert (found["equal"], different) == (60, [])
    assert found.total() == len(drawn) == len(set(drawn))
    assert all(wide != narrow for _, wide, narrow in drawn)
    assert odds_projection.compare(60) == (found, [])


EPL = "/v4/sports/soccer_epl/odds?apiKey=client"


@pytest.mark.parametrize(
    ("narrow", "expected"),
    [
        ("&regions=us,uk&markets=h2h", "equal"),
        ("&regions=us,uk&markets=h2h,totals&commenceTimeFrom=2020-01-01T00:00:00Z", "shows nothing"),
        (f"&regions=us,uk&markets=h2h,totals&eventIds={'0' * 32}", "shows nothing"),
        ("&regions=us,eu&markets=h2h", "not allowed"),
    ],
)
def test_what_is_empty_or_the_whole_shows_nothing(narrow, expected):
    pair = odds_pairs.Pair(f"{EPL}&regions=us,uk&markets=h2h,totals", EPL + narrow)
    assert odds_pairs.weighed(odds_pairs.scenes()[0], pair) == expected
    assert odds_pairs.compared(odds_pairs.scenes()[0], pair) in (expected, "equal")


def test_a_difference_is_shrunk_and_shown():
    """As if times were cut wrongly in answers with Unix times."""

    def flawed(scene, pair):
        finding = odds_pairs.compared(scene, pair)
        wrong = finding == "equal" and "commenceTimeTo" in pair.narrow and "dateFormat=unix" in pair.narrow
        return "different" if wrong else finding

    found, different = odds_projection.compare(200, flawed)
    assert found["different"] > 1
    record = Record("odds")
    odds_projection._judge(record, 200, found, different)
    assert DIFFER in broken(record.outcome())
    [shown] = [r.metric for r in record.outcome().results if r.metric.startswith("differs: ")]
    asked = "/v4/sports/soccer_epl/odds?regions=us&oddsFormat=decimal&dateFormat"
    assert re.fullmatch(
        rf"differs: {re.escape(asked)}=unix&commenceTimeTo=[^&]*&apiKey=client "
        rf"from {re.escape(asked)}=(iso|unix)&apiKey=client in scene",
        shown,
    )


ROUTE = odds_scarce._route()
SCARCE = odds_scarce.Spent(100, 2, 2, 0, 0, None, 60.0, {"in_play": [80.0], "near": [600.0]}, [{"in_play": 1.0}])
FREE = replace(SCARCE, left=0, refused=1)


@pytest.mark.parametrize(
    ("governed", "free", "expected"),
    [
        ({}, {}, []),
        ({"refused": 1}, {}, ["answers refused with scarce credits, exactly"]),
        ({"left": 1}, {}, ["credits left at the reset (reserve), at least"]),
        ({"left": 4}, {}, []),
        ({"left": 5}, {}, ["credits left at the reset (reserve and 2%), at most"]),
        ({"stretches": [{"in_play": 1.5, "near": 1.4}]}, {}, [UNFAIR]),
        ({"stretches": [{"in_play": 1.5, "near": 1.5}, {"near": 8.0, "far": 1.2}, {}]}, {}, []),
        ({"gaps": {"in_play": [40.0, 80.1]}}, {}, [GAP.format("in_play")]),
        ({"gaps": {"far": [600.1]}}, {}, [GAP.format("far")]),
        ({}, {"refused": 0}, ["answers refused with scarce credits and no governor, at least"]),
    ],
)
def test_scarce_credits_are_judged(governed, free, expected):
    record = Record("odds")
    odds_scarce._judge(record, ROUTE, replace(SCARCE, **governed), replace(FREE, **free))
    assert broken(record.outcome()) == expected


def test_half_of_the_credits_last_until_the_reset():
    record = Record("odds")
    odds_scarce.measure(record, odds_day.DaySize(events=2, clients=4, begin_h=22.0, hours=2.0))
    outcome = record.outcome()
    assert broken(outcome) == []
    governed, free = (f"{odds_scarce.TARGET}, {name}" for name in ("governed", "without governor"))
    assert value_of(outcome, governed, "mean stretch, in_play") < value_of(outcome, governed, "mean stretch, near")
    assert value_of(outcome, free, "credits left at the reset") <= 0
    silent = "longest time without any refresh"
    assert value_of(outcome, governed, silent) <= 80 < 1000 < value_of(outcome, free, silent)


def test_sports_are_in_play_one_after_the_other():
    programme = odds_board.in_turn(3600.0, 6 * 600.0, 2)
    first = [events[0] for events in programme.values()]
    assert first == [(3600.0 + 600.0 * number, 600.0) for number in range(6)]
    assert all(events[1][0] > 7200.0 for events in programme.values())


TOLD = """
tests/e2e/test_real_clients.py::test_requests PASSED                     [ 12%]
tests/e2e/test_real_clients.py::test_theoddsapi PASSED                   [ 25%]
tests/e2e/test_real_clients.py::test_sports_odds_api PASSED              [ 37%]
tests/e2e/test_real_clients.py::test_betfairlightweight PASSED           [ 50%]
tests/e2e/test_real_clients.py::test_axios[proxy variables-http] PASSED  [ 62%]
tests/e2e/test_real_clients.py::test_axios[hosts file-https] PASSED      [100%]
"""
PASSES = "tests of the unmodified client {} that passed, at least"
FAILED, SKIPPED = (f"tests of unmodified clients that {what}, exactly" for what in ("failed", "were skipped"))


@pytest.mark.parametrize(
    ("test", "ended", "expected", "not_run"),
    [
        ("axios[hosts file-https]", "PASSED", [], 0),
        ("axios[hosts file-https]", "FAILED", [FAILED], 0),
        ("axios[hosts file-https]", "SKIPPED (npm cannot install axios here: (E404))", [SKIPPED], 0),
        ("requests", "ERROR", [PASSES.format("requests"), FAILED], 0),
        ("theoddsapi", "SKIPPED (the client theoddsapi is not installed)", [PASSES.format("theoddsapi"), SKIPPED], 1),
        ("betfairlightweight", "SKIPPED (the recordings are not beside the checkout)", [], 1),
        ("betfairlightweight", "SKIPPED (no)", [PASSES.format("betfairlightweight"), SKIPPED], 1),
        ("requests", "SKIPPED (the recordings are not beside the checkout)", [PASSES.format("requests"), SKIPPED], 1),
    ],
)
def test_clients_are_judged_by_their_tests(test, ended, expected, not_run):
    record, told = Record("odds"), TOLD.replace(f"{test} PASSED", f"{test} {ended}")
    odds_clients._judge(record, odds_clients.findings(told))
    outcome = record.outcome()
    assert broken(outcome) == expected
    assert value_of(outcome, odds_clients.TARGET, "clients not run here") == not_run
    said = [r.target for r in outcome.results if r.metric == f"not run: {odds_clients.EXCUSED[1]}"]
    assert len(said) == (expected == [] and not_run)


def test_a_client_that_pytest_does_not_name_is_not_run():
    record = Record("odds")
    odds_clients._judge(record, odds_clients.findings(""))
    outcome = record.outcome()
    assert broken(outcome) == [PASSES.format(client) for client in odds_clients.CLIENTS]
    assert value_of(outcome, odds_clients.TARGET, "clients not run here") == 5


# The report.


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (1.0, "1"), (0.12345, "0.123"), (12.345, "12.3"), (1234.5, "1,234")],
)
def test_figures(value, text):
    assert table.figure(value) == text


def test_an_endless_wait_can_be_shown():
    assert table.figure(float("inf")) == "inf"


def test_plain_text_is_aligned_with_numbers_to_the_right():
    assert table.plain(("must", "limit", ""), [("a", "1,000", "ok"), ("bcd", "2", "")]) == (
        "must  limit\na     1,000  ok\nbcd       2"
    )


def test_the_report_says_which_promise_was_broken(capsys):
    outcome = Outcome(
        (Result("s", "t", "m", "ms", 1.5),), (Must("s: x", 1, 1, ok=True), Must("s: y", 1, 2, ok=False))
    )
    table.show(machine.describe(), outcome)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["s", "t", "m", "1.5", "ms"] in lines
    assert ["s:", "x", "1", "1", "ok"] in lines
    assert ["s:", "y", "1", "2", "BROKEN"] in lines


def test_the_json_report_has_the_promised_shape():
    outcome = Outcome((Result("s", "t", "m", "ms", 1.5),), (Must("s: x", 1, 2, ok=False),))
    assert json.loads(json.dumps(document({"cores": 2}, outcome))) == {
        "machine": {"cores": 2},
        "results": [{"scenario": "s", "target": "t", "metric": "m", "unit": "ms", "value": 1.5}],
        "must": [{"name": "s: x", "limit": 1, "value": 2, "ok": False}],
    }


def test_the_machine_is_described_without_its_name():
    described = machine.describe()
    assert set(described) == {"cpu", "cores", "kernel", "python", "mitmproxy", "load_average"}
    assert platform.node() not in map(str, described.values())


# The command.


def scenario(value):
    def run(*, quick):
        record = Record("made")
        record.at_most("up", 1, value if not quick else 0)
        return record.outcome()

    return run


def fails(*, quick):
    raise RuntimeError("no such thing")


@pytest.fixture
def made(monkeypatch):
    """A registry of scenarios that take no time."""
    scenarios = {"good": ("is well", scenario(1)), "bad": ("is not", scenario(2)), "torn": ("fails", fails)}
    monkeypatch.setattr(registry, "SCENARIOS", scenarios)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["good"], 0), (["bad"], 1), (["good", "bad"], 1), (["bad", "--quick"], 0), ([], 1), (["torn"], 1)],
)
def test_exit_status(made, arguments, status):
    assert main(arguments) == status


def test_a_scenario_that_fails_does_not_hide_the_others(made, tmp_path, capsys):
    path = tmp_path / "report.json"
    assert main(["torn", "good", "--json", str(path)]) == 1
    assert [(m["name"], m["ok"]) for m in json.loads(path.read_text())["must"]] == [
        ("torn: scenarios that did not end, exactly", False),
        ("made: up, at most", True),
    ]
    assert "RuntimeError: no such thing" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["good", "--json", "/no/such/folder/x.json"]])
def test_wrong_usage(made, arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_list_names_every_scenario(capsys):
    assert main(["--list"]) == 0
    named = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    beside_others = ["hit", "spike", "cold", "fleet", "keys", "scrape", "workers", "layer"]
    alone = ["poll", "hook", "kill", "visible", "memory", "promos", "odds"]
    assert named == list(registry.SCENARIOS) == [*beside_others, *alone]


# The client, against a real socket.


async def serve(handler):
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    return server, KeepAlive(server.sockets[0].getsockname()[1])


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Emulator-Revision: 9\r\n\r\n[]"


async def test_a_connection_is_used_again_and_opened_again():
    connections = []

    async def twice(reader, writer):
        connections.append(writer)
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
        writer.close()

    server, client = await serve(twice)
    async with server:
        first = await client.get("/a")
        await client.get("/b")
        # Not before the client's side has seen the end; a pool of a real client looks there too.
        while not client._streams[0].at_eof():
            await asyncio.sleep(0)
        await client.get("/c")
        client.close()
    assert (first.status, first.body, first.header(b"x-emulator-revision")) == (200, b"[]", b"9")
    assert len(connections) == 2


async def test_no_connection_is_refused():
    client = KeepAlive(free_ports(1)[0])
    with pytest.raises(NoAnswerError, match="refused"):
        await client.get("/")


@pytest.mark.parametrize("sent", [b"", OK[:20], OK[:-1], b"HTTP/1.1 nonsense\r\nContent-Length: 0\r\n\r\n"])
async def test_an_answer_that_breaks_off_is_lost(sent):
    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        writer.close()

    server, client = await serve(half)
    async with server:
        with pytest.raises(NoAnswerError, match="lost"):
            await client.get("/")


async def test_a_fleet_notes_what_it_saw():
    async def answer(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)

    server, client = await serve(answer)
    async with server:
        fleet = Fleet(client._port, ["/a", "/b"], 3, 0.01)
        async with fleet.polling():
            while len(fleet.samples) < 9:
                await asyncio.sleep(0.005)
    assert {(s.failure, s.revision) for s in fleet.samples} == {("", 9)}
    assert (fleet.backwards, fleet.newest) == (0, 9)
    assert fleet.samples == sorted(fleet.samples, key=lambda s: s.ended)


# Real processes.


async def test_the_yardstick_answers_the_same_bytes(tmp_path):
    fields = ((b"Content-Type", b"application/json"), (b"Age", b"1"), (b"Content-Length", b"4"))
    answer = Reply(200, fields, '"é"'.encode(), 0.0)
    with hook._dict_proxy(tmp_path, {"/a?b=c": answer}) as yardstick:
        client = KeepAlive(yardstick.port)
        for _ in range(2):
            got = await client.get("/a?b=c")
            assert (got.status, got.fields, got.body) == (answer.status, answer.fields, answer.body)
        assert (await client.get("/a?b=d")).status == 404
        client.close()


def test_promos_on_real_processes():
    record = Record("promos")
    for notify in (False, True):
        setting = promos_saves.Setting(3, notify, 10_000)
        promos_saves.measure(record, setting, promos_saves.Saves(saves=2, streams=5, rest_s=0.1, requests=3))
        assert value_of(record.outcome(), setting.name, "saves") == 2
        assert value_of(record.outcome(), setting.name, "save to first stream told P50") > 50
    assert broken(record.outcome()) == []


def test_cold_on_real_processes():
    outcome = cold.measure(cold.Size(connections=12, rounds=1, latency_ms=100, workers=(2,)))
    # How late they are is no matter of a test.
    assert [must.value for must in outcome.musts if not must.name.startswith("cold: slowest")] == [1, 0, 1, 0]
    # A hit would have come at once: the never-seen key was really fetched.
    assert all(value_of(outcome, name, "first answer, fastest burst") >= 0.1 for name in ("2 workers", "2 proxies"))
