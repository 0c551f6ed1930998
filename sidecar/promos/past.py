"""`holdover promos history`, `diff` and `shown`: what was, from the files of the history. No sidecar is needed."""

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from holdover import __version__
from holdover.config import Config

from ..command import CommandError, configured_alone
from . import diff as differ
from .diff import printable
from .folder import KILL
from .history import History, Unfound
from .kill import kills_of
from .objects import HistoryError
from .preview import moment_of, visitor_of
from .record import Record, stamp
from .resolve import Resolution, Shown, resolve
from .standing import live_of
from .sweep import Unread, sweep

HISTORY = "history"
"""Its folder, in the folder of the state."""


def history_of(config: Config) -> History:
    return History(config.path(config.settings.promos.state) / HISTORY)


def history(options: argparse.Namespace) -> int:
    """0, or 1 when something is not as it was written. Raises CommandError."""
    kept = _kept(configured_alone(options))
    records = kept.records()
    wrong = kept.verify() if options.verify else ()
    newest = records[::-1][: options.limit if options.limit > 0 else None]
    if options.json:
        facts: dict[str, Any] = {"records": list(map(asdict, newest))}
        print(_json({**facts, "problems": wrong} if options.verify else facts))
        return 1 if wrong else 0
    print("\n".join(map(_line, newest)))
    if options.verify:
        many = f"{len(records)} {'record' if len(records) == 1 else 'records'}"
        good = f"{many}, all as written; the last has the hash {records[-1].hash}"
        print("\n".join(map(printable, wrong)) or good)
    return 1 if wrong else 0


def diff(options: argparse.Namespace) -> str:
    """Raises CommandError."""
    config = configured_alone(options)
    kept = _kept(config)
    old = _record(kept, options.before) if options.before else _last(kept)
    before = _files(kept, old)
    unread: list[str] = []
    new = _record(kept, options.after) if options.after else None
    if new:
        after, name = _files(kept, new), _name(new)
    else:
        folder = config.path(config.settings.promos.folder)
        after, unread = _now(folder, before)
        name = f"{folder} as it is now"
    found = differ.differences(before, after)
    if options.json:
        told = {"from": asdict(old), "to": asdict(new) if new else None}
        return _json({**told, "differences": differ.facts(found), "unread": unread})
    same = "nothing is different"
    if before != after:
        same += " but how it is written"
    return "\n".join(map(printable, (f"from {_name(old)} to {name}:", *unread, *(differ.lines(found) or [same]))))


def shown(options: argparse.Namespace) -> str:
    """By the resolver that answers visitors. Raises CommandError."""
    kept = _kept(configured_alone(options))
    at, visitor = moment_of(options), visitor_of(options)
    if at > time.time():
        raise CommandError(f"--at {options.at} is still to come; see `holdover promos preview`")
    then, record = stamp(at), kept.at(at)
    if record is None:
        raise CommandError(f"what was live at {then} is not known; the history begins at {kept.records()[0].at}")
    live = live_of(_files(kept, record))
    withheld = {**withheld_at(kept.records(), then), **live.withheld}
    found = resolve(live.promos, live.vocabulary, visitor, at, withheld)
    hidden = {promo.id: withheld[promo.id] for promo in live.promos if promo.id in withheld}
    accepted_by, wrong = record.detail.get("holdover", "unknown"), kept.verify()
    if options.json:
        facts = {"at": then, "record": asdict(record), "resolver": __version__, "withheld": hidden, "problems": wrong}
        return _json({**facts, "slots": {s: [_promo(each) for each in promos] for s, promos in found.slots.items()}})
    lines = [f"at {then}, by {_name(record)}:", *_slots(found)]
    lines += [f"{promo} was withheld: {reason}" for promo, reason in hidden.items()]
    other = f"; it was accepted by holdover {accepted_by}" if accepted_by != __version__ else ""
    lines += [f"resolved by holdover {__version__}{other}"]
    lines += ["the history is not as it was written: see `holdover promos history --verify`"] if wrong else []
    return "\n".join(map(printable, lines))


def withheld_at(records: Iterable[Record], then: str) -> Mapping[str, str]:
    """Why promos were not shown at a time (as `stamp` writes it), by id: what the last record of each says."""
    found: dict[str, str] = {}
    for record in records:
        if record.at <= then and record.what in ("hidden", "shown"):
            promo = record.detail.get("promo", "")
            found.pop(promo, None)
            if record.what == "hidden":
                found[promo] = record.detail.get("reason", "") or record.why
    return found


def _kept(config: Config) -> History:
    """Raises CommandError where there is no record."""
    kept = history_of(config)
    if not kept.records():
        wrong = "; ".join(kept.verify()) or "nothing was accepted; is holdover up?"
        raise CommandError(f"{kept.folder} has no record: {wrong}")
    return kept


def _record(kept: History, text: str) -> Record:
    found = kept.find(text)
    if isinstance(found, Unfound):
        raise CommandError(found.sentence)
    return found


def _last(kept: History) -> Record:
    found = next((record for record in reversed(kept.records()) if record.set), None)
    if found is None:
        raise CommandError(f"{kept.folder} has no set of files yet: nothing was accepted; is holdover up?")
    return found


def _files(kept: History, record: Record) -> Mapping[str, bytes]:
    try:
        return kept.files(record)
    except HistoryError as error:
        raise CommandError(f"{kept.folder}: {error}; a copy of the folder may still have it") from error


def _now(folder: Path, before: Mapping[str, bytes]) -> tuple[dict[str, bytes], list[str]]:
    """As the sidecar has it: what cannot be read is as it was, and of the kill switch there is what it kills."""
    seen = sweep(folder)
    if seen.fault:
        raise CommandError(f"{folder}: {seen.fault}")
    unread = {name: found.sentence for name, found in seen.files.items() if isinstance(found, Unread)}
    files = {name: found for name, found in seen.files.items() if isinstance(found, bytes)}
    files |= {name: before[name] for name in (*unread, KILL) if name in before and name not in files}
    if kills := kills_of(files.pop(KILL, b"{}")):
        files[KILL] = kills.encoded()
    return files, [f"{name} {sentence}" for name, sentence in sorted(unread.items())]


def _name(record: Record) -> str:
    return f"record {record.number} ({record.what} {record.at}, revision {record.revision or 'none'})"


def _line(record: Record) -> str:
    why = f": {record.why}" if record.why else ""
    told = "".join(f" {name}={value}" for name, value in sorted(record.detail.items()) if not _is_aside(name))
    return printable(f"{record.number:>5} {record.at} {record.what} {record.revision or '-'} {record.who}{why}{told}")


def _is_aside(name: str) -> bool:
    return name in ("holdover", "changed") or name.startswith("before ")


def _slots(found: Resolution) -> Iterable[str]:
    for slot, promos in found.slots.items():
        yield f"{slot}:" if promos else f"{slot}: empty"
        for each in promos:
            variant = f" (variant {each.variant.id})" if each.variant else ""
            yield f"  {each.promo.id}{variant}: {each.text.title}"


def _promo(each: Shown) -> dict[str, Any]:
    promo = each.promo
    return {
        "id": promo.id,
        "kind": promo.kind,
        "variant": each.variant.id if each.variant else None,
        **asdict(each.text),
        "link": promo.link,
        "image": asdict(promo.image) if promo.image else None,
        "terms": asdict(promo.terms) if promo.terms else None,
        "odds": asdict(promo.odds) if promo.odds else None,
    }


def _json(facts: object) -> str:
    # In ASCII: names of files and of people may hold what cannot be printed.
    return json.dumps(facts, indent=2)
