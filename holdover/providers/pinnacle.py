"""Pinnacle: one board per endpoint, sport and odds format, from one snapshot and the deltas after it.

The provider takes one request per two minutes for an endpoint and a sport, whatever is filtered, and a snapshot and a
delta (`since`) count alike. So only the whole board is asked for; every client's own filters and `since` are answered
from it.

A delta holds the changed periods only, each complete: a market missing in it is withdrawn, a period missing in it is
unchanged. It never says that an event is gone; the next snapshot does, by leaving it out."""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from holdover.canonical import CanonicalRequest, Query
from holdover.providers import pinnacle_quotes
from holdover.providers.pinnacle_board import (
    Board,
    Head,
    Selection,
    after_delta,
    after_snapshot,
    head,
    parsed,
    told,
    unmerged,
    written,
)
from holdover.providers.profile import Knowledge, Offer, Profile
from holdover.route_settings import RouteSettings

_BOARDS = re.compile(r"/v[0-9]+/(odds|fixtures)/?")
_MARK = ("", "board")
"""Sets the key of the stored board apart from that of a client's request for the whole sport. Never sent."""
_FORMS = {
    "sportId": re.compile(r"[0-9]{1,9}"),
    "leagueIds": re.compile(r"[0-9]{1,18}(,[0-9]{1,18})*"),
    "eventIds": re.compile(r"[0-9]{1,18}(,[0-9]{1,18})*"),
    "isLive": re.compile(r"1"),
    "since": re.compile(r"[0-9]{1,19}"),
}
_FILTERS = frozenset(("leagueIds", "eventIds", "isLive"))
_NOT_LIVE = frozenset((("isLive", "0"), ("isLive", "false")))


class Pinnacle(Profile):
    """Odds and fixtures are boards; any other route is what its settings say. `deltas` are asked between two
    snapshots: by default, at one request per two minutes, for an hour."""

    known_kinds = frozenset(("since", "filter"))
    tells_offers = True

    def __init__(self, deltas: int = 30) -> None:
        self._deltas = deltas

    def query(self, route: RouteSettings, path: str, query: Query) -> Query:  # noqa: ARG002
        """`isLive` restricts when it is 1 and does nothing otherwise."""
        return tuple(pair for pair in query if pair not in _NOT_LIVE) if _BOARDS.fullmatch(path) else query

    def projects(self, canonical: CanonicalRequest) -> bool:
        return _board_of(canonical) is not None

    def widened(self, canonical: CanonicalRequest, knowledge: Knowledge) -> CanonicalRequest:
        board = _board_of(canonical)
        return board if board and knowledge.kinds and _needs(canonical) <= knowledge.kinds else canonical

    def kinds(self, wide: CanonicalRequest, narrow: CanonicalRequest, knowledge: Knowledge) -> frozenset[str] | None:  # noqa: ARG002
        return _needs(narrow) if wide == _board_of(narrow) else None

    def parse(self, body: bytes) -> Board:
        return parsed(body)

    def project(
        self,
        document: object,
        wide: CanonicalRequest,  # noqa: ARG002
        narrow: CanonicalRequest,
        knowledge: Knowledge,  # noqa: ARG002
    ) -> bytes | None:
        """None when live events are asked for and the board does not tell which they are."""
        assert isinstance(document, Board)
        asked = dict(narrow.query)
        live = "isLive" in asked
        if live and not _tells_live(document):
            return None
        leagues, events = _ids(asked.get("leagueIds")), _ids(asked.get("eventIds"))
        return told(document, Selection(leagues, events, live, int(asked.get("since", -1))))

    def offers(self, canonical: CanonicalRequest, body: bytes, events: Collection[str]) -> Iterator[Offer]:
        """A delta tells of what changed alone."""
        found = _BOARDS.fullmatch(canonical.path)
        if found is None or found[1] != "odds" or "since" in dict(canonical.query):
            return iter(())
        return pinnacle_quotes.offers(canonical, body, events)

    def lasting(self, canonical: CanonicalRequest) -> bool:
        """A cursor is asked with once or twice."""
        return "since" not in dict(canonical.query)

    def ask(self, canonical: CanonicalRequest, previous: bytes | None) -> CanonicalRequest:
        """For a board: what changed since the stored one, or a snapshot. A delta is another object in any case: it
        may be empty, and so no JSON."""
        if _MARK not in canonical.query:
            return replace(canonical) if _is_delta(canonical) else canonical
        pairs = [pair for pair in canonical.query if pair != _MARK]
        if (known := self._for_delta(previous)) is not None:
            pairs.append(("since", str(known.cursor)))
        return replace(canonical, query=tuple(sorted(pairs, key=lambda pair: pair[0])))

    def absorb(self, canonical: CanonicalRequest, previous: bytes | None, body: bytes) -> bytes:
        if _MARK not in canonical.query:
            if not _is_delta(canonical):
                return body
            asked, leagues = dict(canonical.query), "league" if canonical.path.endswith("/fixtures") else "leagues"
            return unmerged(body, asked["sportId"], asked["since"], leagues)
        body.decode()  # a unit is not looked into
        old = None if previous is None or head(previous) is None else parsed(previous)
        if old is not None and self._for_delta(previous) is not None:
            return written(after_delta(old, body))
        return written(after_snapshot(old, body))

    def _for_delta(self, previous: bytes | None) -> Head | None:
        """Of the stored board when a delta is due on it, not a snapshot."""
        known = head(previous)
        return known if known is not None and known.deltas < self._deltas else None


def _board_of(narrow: CanonicalRequest) -> CanonicalRequest | None:
    """The board that answers `narrow`; None when none does. Live odds are asked of the provider: in odds, events are
    not marked as live."""
    asked = dict(narrow.query)
    if len(asked) != len(narrow.query) or "sportId" not in asked or not _BOARDS.fullmatch(narrow.path):
        return None
    if any(name in asked and not form.fullmatch(asked[name]) for name, form in _FORMS.items()):
        return None
    if _MARK in narrow.query or ("isLive" in asked and "odds" in narrow.path):
        return None
    kept = (pair for pair in narrow.query if pair[0] not in _FILTERS and pair[0] != "since")
    return replace(narrow, query=(_MARK, *kept))


def _is_delta(canonical: CanonicalRequest) -> bool:
    asked = dict(canonical.query)
    return all(_FORMS[name].fullmatch(asked.get(name, "")) for name in ("sportId", "since"))


def _needs(narrow: CanonicalRequest) -> frozenset[str]:
    names = {name for name, _ in narrow.query}
    return frozenset({"since"} & names) | frozenset({"filter"} if names & _FILTERS else ())


def _ids(value: str | None) -> frozenset[int] | None:
    return None if value is None else frozenset(int(part) for part in value.split(","))


def _tells_live(board: Board) -> bool:
    events = [event for league in board.tree.below.values() for event in league.below.values()]
    return all("liveStatus" in event.members for event in events)
