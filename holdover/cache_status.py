"""What the Cache-Status field (RFC 9211) tells beyond how an answer came about."""

from holdover.entry import Entry


def about(entry: Entry, now: float, also: str = "") -> str:
    """What follows the way of an answer: how old the prices are by the provider's account, and what made it. `also`
    has to be printable."""
    parts = [also] if also else []
    if entry.board.typical is not None:
        parts.append(f"payload-age={max(0, int(now - entry.board.typical))}")
    if entry.projected:
        parts.append(f"projected={entry.projected}")
    return f'; detail="{" ".join(parts)}"' if parts else ""


def detail(text: str) -> str:
    """The `detail` parameter of Cache-Status."""
    return f'detail="{printable(text)}"'


def printable(text: str) -> str:
    """As it may stand in a String of RFC 9651, which holds printable ASCII alone."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')
