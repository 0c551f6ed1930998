"""A Pinnacle board as a tree of leagues, events and periods, and what snapshots and deltas make of it.

What a delta replaces whole is a unit: a period in odds, an event in fixtures, which have no periods. Every unit
carries the value of `last` under which it became what it is, so that a client's `since` can be answered from here.
Members keep their order and every number its text: only the tree is taken apart, never a unit."""

from dataclasses import dataclass, field, replace

import msgspec

type Members = dict[str, msgspec.Raw]

_BELOW = (("leagues", "league"), ("events",), ("periods",))
_IDS = ("id", "id", "number")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_NUMBER = msgspec.json.Decoder(int)
_PLACE = msgspec.Raw(b"0")
_LIVE = msgspec.Raw(b"1")


@dataclass(frozen=True, slots=True)
class Node:
    """`members` are its own; the one called `inner` holds what is below and has only its place here. A node without
    `inner` is a unit, and `at` is the value of `last` under which it became what it is."""

    members: Members
    inner: str = ""
    below: dict[int, "Node"] = field(default_factory=dict)
    at: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    """`last` is what clients are told and never goes back, `cursor` what the provider told last. `deltas` counts
    those since the snapshot. `doubted` is 1 after a snapshot that was older than the board."""

    tree: Node
    last: int
    cursor: int
    deltas: int = 0
    doubted: int = 0


class Head(msgspec.Struct):
    """Of a stored board, what decides on the next request."""

    cursor: int = msgspec.field(name="_cursor")
    deltas: int = msgspec.field(name="_deltas")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a client asks for: None is every one, and without `since` whatever its time."""

    leagues: frozenset[int] | None = None
    events: frozenset[int] | None = None
    live: bool = False
    since: int = -1

    def admits(self, depth: int, key: int, node: Node) -> bool:
        if depth == 0:
            return self.leagues is None or key in self.leagues
        if depth == 1:
            known = self.events is None or key in self.events
            return known and (not self.live or node.members.get("liveStatus") == _LIVE)
        return True


def head(stored: bytes | None) -> Head | None:
    """None for what is no stored board."""
    try:
        return None if stored is None else msgspec.json.decode(stored, type=Head)
    except (ValueError, RecursionError):
        return None


def parsed(document: bytes) -> Board:
    """A stored board or a snapshot. Raises ValueError for anything else."""
    tree = _tree(document)
    if "last" not in tree.members:
        raise ValueError("a board has `last`")
    last = _NUMBER.decode(tree.members["last"])
    cursor = _NUMBER.decode(tree.members.pop("_cursor", tree.members["last"]))
    deltas, doubted = (_NUMBER.decode(tree.members.pop(name, _PLACE)) for name in ("_deltas", "_doubted"))
    _nothing_else(tree)
    return Board(_own(tree), last, cursor, deltas, doubted)


def written(board: Board) -> bytes:
    """The board as it is stored."""
    counts = {"_cursor": board.cursor, "_deltas": board.deltas, "_doubted": board.doubted}
    return msgspec.json.encode({**_plain(board.tree, stamped=True), "last": board.last, **counts})


def told(board: Board, selection: Selection) -> bytes:
    """What the provider would answer to a client who asks for `selection`."""
    tree = _selected(board.tree, selection) or replace(board.tree, below={})
    return msgspec.json.encode({**_plain(tree, stamped=False), "last": board.last})


def after_snapshot(old: Board | None, answer: bytes) -> Board:
    """The board of a snapshot; a unit that is as before keeps its time. Raises ValueError.

    The provider keeps snapshots for 60 s, so one may be older than the deltas before it: that would take prices back,
    and changes nothing. A second one in a row is no accident: the provider counts anew, and what it says holds."""
    new = parsed(answer)
    if old is None:
        return replace(new, tree=_stamped(new.tree, new.last))
    _same_sport(old.tree, new.tree)
    if new.last < old.cursor and not old.doubted:
        return replace(old, doubted=1)
    at = max(new.last, old.last + 1)
    return _moved(old, _replaced(old.tree, new.tree, at), new.last, at, 0)


def after_delta(old: Board, answer: bytes) -> Board:
    """The board with what a delta changes; an empty answer, or one without leagues, changes nothing. Raises
    ValueError."""
    new = _tree(answer) if answer.strip() else Node({})
    _nothing_else(new)
    if new.inner and "last" not in new.members:
        raise ValueError("a delta with leagues has `last`")
    _same_sport(old.tree, new)
    cursor = _NUMBER.decode(new.members["last"]) if "last" in new.members else old.cursor
    at = max(cursor, old.last + 1)
    return _moved(old, _updated(old.tree, _own(new), at), cursor, at, old.deltas + 1)


def unmerged(answer: bytes, sport: str, since: str, leagues: str) -> bytes:
    """A delta that no board is made of. An empty one says that nothing changed; here it does so in JSON. Raises
    ValueError."""
    members = _OBJECT.decode(answer) if answer.strip() else {}
    if not members:
        return f'{{"sportId":{sport},"last":{since},"{leagues}":[]}}'.encode()
    if "last" not in members:
        raise ValueError("a delta has `last`")
    return answer


def _tree(document: bytes) -> Node:
    try:
        return _node(document, 0)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _node(raw: bytes | msgspec.Raw, depth: int) -> Node:
    members = _OBJECT.decode(raw)
    inner = next((name for name in _BELOW[depth] if name in members), "") if depth < len(_BELOW) else ""
    if not inner:
        return Node(members, at=_NUMBER.decode(members.pop("_at", _PLACE)))
    below: dict[int, Node] = {}
    for child in _LIST.decode(members[inner]):
        node = _node(child, depth + 1)
        name = _IDS[depth]
        if name not in node.members or (key := _NUMBER.decode(node.members[name])) in below:
            raise ValueError(f"one of the {inner} has no {name} of its own")
        below[key] = node
    return Node({**members, inner: _PLACE}, inner, below)


def _own(tree: Node) -> Node:
    """The tree with `last` as a place only, so that two that differ in nothing else are equal."""
    return replace(tree, members={**tree.members, "last": _PLACE})


def _plain(node: Node, *, stamped: bool) -> dict[str, object]:
    plain: dict[str, object] = dict(node.members)
    if node.inner:
        plain[node.inner] = [_plain(child, stamped=stamped) for child in node.below.values()]
    elif stamped:
        plain["_at"] = node.at
    return plain


def _selected(node: Node, selection: Selection, depth: int = 0) -> Node | None:
    if not node.inner:
        return node if node.at > selection.since else None
    below = {
        key: kept
        for key, child in node.below.items()
        if selection.admits(depth, key, child) and (kept := _selected(child, selection, depth + 1))
    }
    emptied = not below and (node.below or selection.since >= 0)
    return None if emptied else replace(node, below=below)


def _stamped(node: Node, at: int) -> Node:
    if not node.inner:
        return replace(node, at=at)
    return replace(node, below={key: _stamped(child, at) for key, child in node.below.items()})


def _updated(old: Node, new: Node, at: int) -> Node:
    """`old` after a delta: units in it replace, units that it lacks stay."""
    if not old.inner and not new.inner:
        return old if old.members == new.members else replace(new, at=at)
    below = dict(old.below)
    for key, child in new.below.items():
        below[key] = _updated(below[key], child, at) if key in below else _stamped(child, at)
    return _joined(old, {**old.members, **new.members}, new.inner or old.inner, below, at)


def _replaced(old: Node, new: Node, at: int) -> Node:
    """`old` after a snapshot: what that lacks is gone."""
    if not old.inner and not new.inner:
        return old if old.members == new.members else replace(new, at=at)
    below = {
        key: _replaced(old.below[key], child, at) if key in old.below else _stamped(child, at)
        for key, child in new.below.items()
    }
    return _joined(old, new.members, new.inner, below, at)


def _joined(old: Node, members: Members, inner: str, below: dict[int, Node], at: int) -> Node:
    """What an event or a league says about itself has no time of its own: it is told with every unit below."""
    node = Node(members, inner, below)
    return node if members == old.members else _stamped(node, at)


def _moved(old: Board, tree: Node, cursor: int, at: int, deltas: int) -> Board:
    changed = _selected(tree, Selection(since=old.last)) is not None
    return Board(tree, at if changed else max(cursor, old.last), cursor, deltas)


def _nothing_else(tree: Node) -> None:
    """Without leagues there is only what an empty board or delta says; an error, for one, says something else."""
    if not tree.inner and not tree.members.keys() <= {"sportId", "last"}:
        raise ValueError("neither leagues nor an empty answer")


def _same_sport(old: Node, new: Node) -> None:
    if new.members.get("sportId", old.members.get("sportId")) != old.members.get("sportId"):
        raise ValueError("the answer is about another sport")
