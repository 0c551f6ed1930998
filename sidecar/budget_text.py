"""A budget report (`sidecar.budget.report`) for a person at a terminal. Names from outside lose what a terminal would
obey."""

from collections.abc import Iterator
from typing import Any

type Facts = dict[str, Any]
type Row = tuple[str, ...]

_MANY = 6
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def as_text(report: Facts) -> str:
    """Without a line break at the end."""
    blocks = [_block(provider, report["at"]) for provider in report["providers"]]
    return "\n\n".join(blocks) or "no provider is configured"


def _block(provider: Facts, now: float) -> str:
    facts = [*_accounts(provider), ("period", _period(provider)), ("forecast", _forecast(provider))]
    facts.append(("governor", _governor(provider["governor"], now)))
    width = max(len(label) for label, _ in facts)
    lines = [f"  {label:<{width}}  {text}" for label, text in facts]
    return "\n".join([provider["provider"], *lines, "", *_aligned(_table(provider))])


def _accounts(provider: Facts) -> Iterator[tuple[str, str]]:
    accounts = provider["accounts"]
    if not accounts:
        yield "credits", "unknown: the provider has told nothing yet"
    for account in accounts:
        of = f" of {_plain(account['partition'])[:16]}" if account["partition"] else ""
        yield f"credits{of}", _credits(account, provider["reserve"])
        yield f"state{of}", _state(account)
    if provider["further_accounts"]:
        yield "and", f"{provider['further_accounts']} more credentials"


def _credits(account: Facts, reserve: float) -> str:
    remaining, used = account["remaining"], account["used"]
    used_text = "" if used is None else f", {number(used)} used"
    if remaining is None:
        return f"remaining unknown{used_text}" + (f"; {_told(account)}" if used_text else "")
    text = f"{number(remaining)} remaining{used_text}; {_told(account)}"
    if remaining < 0:
        return f"{text}; overdrawn by {number(-remaining)}"
    if remaining == 0:
        return f"{text}; used up"
    if remaining <= reserve:
        return f"{text}; no more than the reserve, which refreshes leave untouched"
    return text


def _told(account: Facts) -> str:
    if account["remaining_from"] == "count":
        return "by holdover's own count, as the provider tells nothing"
    before = ", before the last reset" if account["told_before_reset"] else ""
    return f"told {span(account['told_s_ago'])} ago{before}"


def _state(account: Facts) -> str:
    match account["state"]:
        case "dead":
            return "dead: the provider says that the credential is not valid"
        case "frozen" if account["frozen_for_s"] is None:
            return "frozen: calls that cost are suspended until further notice"
        case "frozen":
            return f"frozen: calls that cost are suspended for another {span(account['frozen_for_s'])}"
        case _:
            return "normal"


def _period(provider: Facts) -> str:
    left, reserve = provider["seconds_to_reset"], provider["reserve"]
    text = "no reset is configured" if left is None else f"{provider['resets']}, resets in {span(left)}"
    if provider["limit"] is not None:
        text += f"; limit {number(provider['limit'])}"
    return text + (f"; {number(reserve)} in reserve" if reserve else "")


def _forecast(provider: Facts) -> str:
    forecast, left_s = provider["forecast"], provider["seconds_to_reset"]
    if forecast is None:
        return "unknown: nothing was recorded, or not for long enough"
    text = f"{number(forecast['per_day'])} a day at the present rate"
    left, lasts = forecast["left_at_reset"], forecast["lasts_s"]
    if lasts == 0:
        return text
    if lasts is not None and (left_s is None or lasts < left_s):
        early = "" if left_s is None else f", {span(left_s - lasts)} before the reset"
        return f"{text}: used up in {span(lasts)}{early}"
    if left is not None:
        return f"{text}: {number(left)} remaining at the reset"
    spent = forecast["spent_until_reset"]
    return text if spent is None else f"{text}: {number(spent)} more until the reset"


def _governor(facts: Facts | None, now: float) -> str:
    if facts is None:
        return "the sidecar has left no figures"
    ago = f" ({span(max(0.0, now - facts.get('at', now)))} ago)"
    stretched = {name: by for name, by in facts.get("stretch", {}).items() if by > 1}
    if not stretched:
        text = "windows as configured"
    elif len(stretched) > _MANY:
        text = f"{len(stretched)} windows are longer than configured, up to {number(max(stretched.values()))} times"
    else:
        each = (f"{_plain(name)} {number(by)} times" for name, by in sorted(stretched.items()))
        text = f"windows are longer than configured: {', '.join(each)}"
    if (per_day := facts.get("per_day")) is not None:
        text += f", for {number(per_day)} a day"
    return text + ("" if facts.get("affordable", True) else "; the credits do not last even so") + ago


def _table(provider: Facts) -> Iterator[Row]:
    """Label, then credits and calls of each column; a daily period is no column beside today."""
    names = {"monthly": "this month", "never": "recorded"}
    columns = [("today", provider["today"])]
    if provider["resets"] in names:
        columns.append((names[provider["resets"]], provider["period"]))
    sums = [facts for _, facts in columns]
    yield ("", *(cell for name, _ in columns for cell in (name, "")))
    yield ("", *(cell for _ in columns for cell in ("credits", "calls")))
    yield _row("spent", sums)
    for kind in ("routes", "clients"):
        for one in provider["period"][kind]:
            yield _row(f"  {_label(kind, one['name'])}", [_find(facts[kind], one["name"]) for facts in sums])
    if provider["period"]["further_clients"]:
        credits_ = (number(facts["further_clients_spent"]) for facts in sums)
        label = f"  {provider['period']['further_clients']} more clients"
        yield (label, *(cell for text in credits_ for cell in (text, "")))
    direct = ((number(facts["direct"]), number(facts["requests"])) for facts in sums)
    yield ("clients' own calls", *(cell for pair in direct for cell in pair))
    saved = ((number(facts["saved"]), _percent(facts["saved_percent"])) for facts in sums)
    yield ("saved by the cache", *(cell for pair in saved for cell in pair))


def _row(label: str, sums: list[Facts]) -> Row:
    return (label, *(cell for one in sums for cell in (number(one["spent"]), number(one["calls"]))))


def _find(ranked: list[Facts], name: str) -> Facts:
    return next((one for one in ranked if one["name"] == name), {"spent": 0, "calls": 0})


def _label(kind: str, name: str) -> str:
    if kind == "routes":
        return f"route {_plain(name)}"
    return {"": "refreshes", "_other": "other clients"}.get(name) or f"client {_plain(name)}"


def _aligned(rows: Iterator[Row]) -> Iterator[str]:
    """The first column to the left, the others to the right."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for label, *cells in table:
        right = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        yield f"  {label:<{widths[0]}}  {'  '.join(right)}".rstrip()


def number(value: float) -> str:
    """12,345 or 0.25: at most two places, no sign before a zero."""
    text = f"{round(value, 2) + 0.0:,.2f}"
    return text.rstrip("0").rstrip(".")


def span(seconds: float) -> str:
    """The two greatest units, such as "8 d 3 h"; whole seconds."""
    left, parts = int(seconds), list[str]()
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} %"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:60]
