from __future__ import annotations

import random
import statistics

import pytest

from scripts.emulator.control import Fault, Settings, changed
from scripts.emulator.replies import accepts_gzip
from scripts.emulator.stats import MAX_SHAPES, OTHER, Stats


def test_a_change_leaves_the_other_settings_alone() -> None:
    before = Settings(rate=7)
    after = changed(before, {"quota": 3, "fault": {"kind": "status", "status": 429}, "cache_control": "no-store"})
    assert (after.rate, after.quota, after.cache_control) == (7, 3, "no-store")
    assert after.fault == Fault("status", 429)
    assert changed(after, {"fault": None, "cache_control": None}) == Settings(rate=7, quota=3)
    assert changed(after, after.document()) == after


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "the setting document must be a JSON object"),
        ({"rate": 1.5}, "rate must be an integer of at least 0"),
        ({"quota": True}, "quota must be an integer of at least 0"),
        ({"latency_p50_ms": True}, "latency_p50_ms must be a number of at least 0"),
        ({"latency_p50_ms": -1}, "latency_p50_ms must be a number of at least 0"),
        ({"latency_p95_ms": "7"}, "latency_p95_ms must be a number of at least 0"),
        ({"fault_share": 2}, "fault_share must be between 0 and 1"),
        ({"etag": 1}, "etag must be true or false"),
        ({"cache_control": "a\r\nb"}, "cache_control must be a string of one line"),
        ({"extra_headers": {"a": 1}}, "extra_headers.a must be a string of one line"),
        ({"extra_headers": []}, "extra_headers must be an object of strings"),
        ({"fault": "hang"}, "the fault document must be a JSON object"),
        ({"fault": {}}, "fault.kind is missing"),
        (
            {"fault": {"kind": "rain"}},
            "kind must be one of status, hang, reset, truncate, garbage, stall, drip, cut, "
            "truncate_gzip, wrong_length, maintenance, frequency",
        ),
        ({"fault": {"kind": "status", "status": 99}}, "status must be between 200 and 599"),
        (
            {"fault": {"kind": "hang", "share": 1}},
            "unknown fault: share; known: body, for_s, headers, kind, next, seconds, status",
        ),
    ],
)
def test_what_is_wrong_is_named(document: object, message: str) -> None:
    with pytest.raises(ValueError) as problem:
        changed(Settings(), document)
    assert str(problem.value) == message


def test_an_unknown_setting_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError,
        match=r"^unknown setting: speed; known: bytes_per_s, .*quota, ramp_s, rate, .*retry_after_s$",
    ):
        changed(Settings(), {"speed": 1})


def test_latency_has_the_percentiles_asked_for() -> None:
    rng = random.Random(1)
    delays = [Settings(latency_p50_ms=100, latency_p95_ms=400).latency_s(rng) for _ in range(4000)]
    cuts = statistics.quantiles(delays, n=20)
    assert cuts[9] == pytest.approx(0.1, rel=0.1)
    assert cuts[18] == pytest.approx(0.4, rel=0.1)
    assert Settings(latency_p50_ms=0).latency_s(rng) == 0
    assert Settings(latency_p50_ms=50, latency_p95_ms=0).latency_s(rng) == pytest.approx(0.05)


def test_faults_are_drawn_with_their_share() -> None:
    rng = random.Random(1)
    quarter = Settings(fault=Fault("reset"), fault_share=0.25)
    drawn = [quarter.drawn_fault(rng) is not None for _ in range(4000)]
    assert sum(drawn) / len(drawn) == pytest.approx(0.25, abs=0.03)
    assert Settings(fault=Fault("reset")).drawn_fault(rng) == Fault("reset")
    assert Settings(fault=Fault("reset"), fault_share=0).drawn_fault(rng) is None


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("deflate, GZIP;q=0.5, br", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", True),
        ("gzip;q=0, *", False),
        ("br, deflate", False),
        ("x-gzip", False),
        ("gzip;q=x", False),
    ],
)
def test_gzip_is_accepted_only_when_named(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) == accepted


def test_shapes_without_end_are_counted_together() -> None:
    stats = Stats()
    for number in range(MAX_SHAPES + 10):
        stats.begin("/v4/sports", f"/v4/sports?_={number}", None, conditional=False)
        stats.end("200")
    counts = stats.document()["by_shape"]
    assert counts[OTHER] == 10
    assert len(counts) == MAX_SHAPES + 1
    assert stats.document()["by_path"] == {"/v4/sports": MAX_SHAPES + 10}
