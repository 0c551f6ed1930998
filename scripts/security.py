"""Makes the tables of docs/security.md: `python -m scripts.security` says whether they are up to date, with `--write`
it brings them so."""

import sys
from collections.abc import Iterator
from pathlib import Path

from holdover import provider_settings, route_settings, settings
from scripts.audit import KNOWN
from scripts.marked import main, with_parts
from scripts.reference import default_of
from tests.security.list import SECTIONS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "security.md"
LIMITS: tuple[tuple[str, type[settings.Table], str], ...] = (
    ("[proxy]", settings.ProxySettings, "foreign wait_s max_body_bytes"),
    (
        "[lane]",
        settings.LaneSettings,
        "max_connections max_per_address head_timeout_s idle_timeout_s write_timeout_s max_head_bytes "
        "max_pending_bytes max_bodies_bytes",
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
    """The page with its tables made anew."""
    parts = {"defended": defended(), "limits": limits(), "advisories": advisories()}
    return with_parts(text, parts, DOCUMENT.name)


if __name__ == "__main__":
    sys.exit(main(DOCUMENT, updated, "scripts.security", __doc__))
