"""Makes the README's reference tables from the code: `python -m scripts.reference` says whether they are up to date,
with `--write` it brings them so."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from holdover import promo_settings, provider_settings, route_settings, settings
from holdover.metrics import Metrics

from .marked import main, with_parts

README = Path(__file__).resolve().parent.parent / "README.md"
TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("`config/holdover.toml`, `[proxy]`", settings.ProxySettings),
    ("`config/holdover.toml`, `[lane]`", settings.LaneSettings),
    ("`config/holdover.toml`, `[sidecar]`", settings.SidecarSettings),
    ("`config/holdover.toml`, `[store]`", settings.StoreSettings),
    ("`config/holdover.toml`, `[hot]`", settings.HotSettings),
    ("`config/holdover.toml`, `[upstream]`", settings.UpstreamSettings),
    ("`config/holdover.toml`, `[promos]`", settings.PromoSettings),
    ("`config/providers/*.toml`", provider_settings.ProviderSettings),
    ("`config/providers/*.toml`, `[credential]`", provider_settings.CredentialSettings),
    ("`config/providers/*.toml`, `[limits]`", provider_settings.LimitSettings),
    ("`config/providers/*.toml`, `[quota]`", provider_settings.QuotaSettings),
    ("`config/providers/*.toml`, `[[errors]]`", provider_settings.ErrorSettings),
    ("`config/providers/*.toml`, `[classes.NAME]`", provider_settings.ClassSettings),
    ("`config/providers/*.toml`, `[projection]`", provider_settings.ProjectionSettings),
    ("`config/providers/*.toml`, `[shadow]`", provider_settings.ShadowSettings),
    ("`config/providers/*.toml`, `[[routes]]`", route_settings.RouteSettings),
    ("`config/providers/*.toml`, `[routes.pace]`", route_settings.PaceSettings),
    ("`config/providers/*.toml`, `[routes.change_log]`", route_settings.ChangeLogSettings),
    ("`config/providers/*.toml`, `[[promos]]`", promo_settings.PromoRouteSettings),
    ("`config/providers/*.toml`, `[promos.audience]`", promo_settings.AudienceSettings),
    ("`config/providers/*.toml`, each of `[promos.audience]`", promo_settings.SourceSettings),
)


def configuration() -> str:
    """A table per TOML table."""
    return "\n\n".join(
        f"**{title}**\n\n| key | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(_rows(model))
        for title, model in TABLES
    )


def metrics() -> str:
    """One table of all families, as scraped."""
    rows = ["| name | type | labels | meaning |", "|---|---|---|---|"]
    made = Metrics()
    for family in made.registry.collect():
        if family.name.startswith("holdover_"):
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            labels = ", ".join(f"`{label}`" for label in made.labels[family.name])
            rows.append(f"| `{family.name}{suffix}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(rows)


def updated(text: str) -> str:
    """The README with both references made anew."""
    return with_parts(text, {"configuration": configuration(), "metrics": metrics()}, README.name)


def _rows(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if field.description:
            description = " ".join(field.description.split()).replace("|", "\\|")
            yield f"| `{name}` | {_type(field.annotation)} | {default_of(field)} | {description} |"


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "by window"
    value = field.default
    if value is None:
        return "none"
    text = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
    return f"`{text}`"


def _type(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f'`"{value}"`' for value in get_args(annotation))
    if get_origin(annotation) is list:
        return f"list of {_many(_type(get_args(annotation)[0]))}"
    if get_origin(annotation) is dict:
        return f"table of {_many(_type(get_args(annotation)[1]))}"
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and candidate in plain:
            return plain[candidate]
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return "table"
    return "text"


def _many(kind: str) -> str:
    return "tables" if kind == "table" else kind.replace("list of", "lists of")


if __name__ == "__main__":
    sys.exit(main(README, updated, "scripts.reference", __doc__))
