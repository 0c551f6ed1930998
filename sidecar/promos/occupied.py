"""`holdover promos occupancy`: where slots will be empty or overbooked, and what nobody will see."""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from ..command import CommandError
from .crowd import Crowd
from .lint import read
from .moment import Unclear, absolute
from .outlook import Occupancy, occupancy, usual_zone
from .wording import span

_MOST = 20
_MEANING = {
    "unreachable": "shown to nobody",
    "empty": "nothing is shown",
    "overbooked": "more than there is room for",
}


def occupied(options: argparse.Namespace) -> int:
    """Of the files that are good. 1 when --strict and something is unreachable. Raises CommandError."""
    found = read(options)
    since = _moment(options.since)
    until = since + options.weeks * 7 * 86_400
    promos = found.promos
    told = occupancy(promos, found.vocabulary, since, until, found.kills.withheld(promos))
    if options.json:
        print(json.dumps(facts(told, since, until), indent=2, ensure_ascii=False))
    else:
        many = f"{len(found.problems)} {'problem' if len(found.problems) == 1 else 'problems'}"
        wrong = f"{many}: see `holdover promos lint`; only good files are looked at"
        print(
            "\n".join([*([wrong] if found.problems else []), *_lines(told, span(since, until, usual_zone(promos)))])
        )
    return int(options.strict and any(each.kind == "unreachable" for each in told.findings))


def weeks(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= 53:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of weeks from 1 to 53")
    return int(text)


def facts(told: Occupancy, since: float, until: float) -> dict[str, Any]:
    """For JSON."""
    return {
        "since": _iso(since),
        "until": _iso(until),
        "findings": [
            {
                "kind": each.kind,
                "slot": each.slot,
                "since": _iso(each.since),
                "until": _iso(each.until),
                "crowds": crowds(each.crowds),
                "promos": list(each.promos),
                "sentence": each.sentence,
            }
            for each in told.findings
        ],
        "lanes": [
            {
                "slot": lane.slot,
                "crowds": crowds(lane.crowds),
                "stretches": [
                    {
                        "since": _iso(each.since),
                        "until": _iso(each.until),
                        "shown": [{"id": s.id, "rollout": s.rollout, "sure": s.sure} for s in each.shown],
                        "lost": list(each.lost),
                    }
                    for each in lane.stretches
                ],
            }
            for lane in told.lanes
        ],
    }


def crowds(of: Iterable[Crowd]) -> list[dict[str, Any]]:
    """For JSON. What is missing makes no difference."""
    return [
        {
            **{
                name: sorted(words)
                for name in ("jurisdictions", "languages", "devices")
                if (words := getattr(one, name))
            },
            **({"segments": sorted(map(sorted, one.segments)), "of": sorted(one.asked)} if one.segments else {}),
            **({"visits": one.visits} if one.visits else {}),
        }
        for one in of
    ]


def _moment(text: str | None) -> float:
    at = time.time() if text is None else absolute(text)
    if isinstance(at, Unclear):
        raise CommandError(f"--from {text!r} {at.message}; {at.remedy}")
    return at


def _lines(told: Occupancy, when: str) -> Iterator[str]:
    yield when
    for kind, findings in groupby(told.findings, key=lambda each: each.kind):
        sentences = [each.sentence for each in findings]
        yield f"{kind} ({_MEANING[kind]}):"
        yield from (f"  {sentence}" for sentence in sentences[:_MOST])
        if len(sentences) > _MOST:
            yield f"  and {len(sentences) - _MOST} more; --json tells all"
    if not told.findings:
        yield "everybody is shown something in every slot, there is room for all, and every promo is seen"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
