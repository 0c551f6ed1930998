"""Makes the tables of docs/security.md: `python -m scripts.security` says whether they are up to date, with `--write`
it brings them so."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from holdover import provider_settings, route_settings, settings
from scripts.audit import KNOWN
from scripts.reference import default_of
from tests.security.list import SECTIONS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "security.md"
LIMITS: tuple[tuple[str, type[settings.Table], str], ...] = (
    ("[proxy]", settings.ProxySettings, "foreign wait_s max_body_bytes"),
    (
        "[lane]",
        settings.LaneSettings,
        "max_connections max_per_address head_timeout_s idle_timeout_s write_timeout_s max_head_bytes "
        "max_pending_bytes",
    ),
    ("[sidecar]", settings.SidecarSettings, "max_keys"),
    ("[store]", settings.StoreSettings, "max_bytes"),
    ("[hot]", settings.HotSettings, "max_entries max_bytes"),
    (
        "[limits] of a provider",
        provider_settings.LimitSettings,
        "rate_per_s burst concurrency timeout_s retries max_body_bytes breaker_failures breaker_open_s",
    ),
    ("[[routes]]", route_settings.RouteSettings, "window_s max_stale_s idle_after_s unknown"),
)


def defended() -> str:
    return "\n\n".join(
        f"### {title}\n\n| | against | what holds |\n|---|---|---|\n"
        + "\n".join(f"| {item.id} | {item.what} | {item.holds} |" for item in items)
        for title, items in SECTIONS.items()
    )


def limits() -> str:
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *_limits()])


def _limits() -> Iterator[str]:
    for table, model, names in LIMITS:
        for name in names.split():
            field = model.model_fields[name]
            yield f"| `{table}` `{name}` | {default_of(field)} | {' '.join((field.description or '').split())} |"


def advisories() -> str:
    return "\n".join(f"* **{name}**: {reason}" for name, reason in KNOWN.items())


def updated(text: str) -> str:
    """`text` with what stands between the marks made anew."""
    for mark, content in (("defended", defended()), ("limits", limits()), ("advisories", advisories())):
        begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->"
        before, opened, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (opened and ended):
            raise SystemExit(f"security: {DOCUMENT.name} lacks the marks of {mark!r}")
        text = f"{before}{begin}{content}\n{end}{after}"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="update the document")
    text = DOCUMENT.read_text(encoding="utf-8")
    current = updated(text)
    if parser.parse_args().write:
        DOCUMENT.write_text(current, encoding="utf-8")
    elif current != text:
        print("docs/security.md is out of date; run `python -m scripts.security --write`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
