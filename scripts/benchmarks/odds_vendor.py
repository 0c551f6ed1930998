"""The shipped profile of The Odds API and the emulated provider, both within this process: for what is measured
without a network."""

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from holdover.canonical import CanonicalRequest
from holdover.exchange import Request, Response
from holdover.key import Cacheable, plan
from holdover.provider_settings import ProviderSettings
from holdover.rules import Rules, Secret, compile_provider
from scripts.emulator.answers import Answer, compose
from scripts.emulator.board import Board
from scripts.emulator.catalog import BOOKS, REGIONS
from scripts.emulator.query import endpoint, parse, target
from scripts.emulator.schedule import World
from scripts.rig import HOST, ROOT

NAME = "the-odds-api"
KINDS = ("markets", "bookmakers", "regions", "events", "times", "dates")
"""Those of the shipped profile, and `regions`, for which it lacks the table of bookmakers by region."""


def books_of(region: str, known: Iterable[str] = BOOKS) -> list[str]:
    """The bookmakers of a region, as an operator would list them."""
    return [key for key in known if region in BOOKS[key].regions]


def region_table() -> dict[str, list[str]]:
    return {region: books_of(region) for region in REGIONS}


def shipped_rules(
    projection: Mapping[str, Any] | None = None,
    pace: Mapping[str, Any] | None = None,
    quota: Mapping[str, Any] | None = None,
) -> Rules:
    """The shipped profile; with another `[projection]`, and another pace of its route `odds`, if they are given, and
    with these keys of `[quota]` changed."""
    data = tomllib.loads((ROOT / "config" / "providers" / f"{NAME}.toml").read_text())
    data["quota"] |= quota or {}
    if projection is not None:
        data["projection"] = dict(projection)
    if pace is not None:
        data["routes"] = [
            route | {"pace": dict(pace)} if route["name"] == "odds" else route for route in data["routes"]
        ]
    settings = ProviderSettings.model_validate(data)
    return Rules([compile_provider(settings, {"": Secret("no-credential")})])


def planned(rules: Rules, spelled: str) -> Cacheable:
    """What holdover makes of a client's request target."""
    found = plan(Request("GET", HOST, spelled), rules)
    if not isinstance(found, Cacheable):
        raise TypeError(f"not cacheable: {spelled}")
    return found


def told(world: World, board: Board, spelled: str, *, omit: bool = False) -> Answer:
    """The provider's own answer to a request target."""
    path, _, query = spelled.partition("?")
    where = endpoint(path)
    if where is None:
        raise ValueError(f"no endpoint: {path}")
    return compose(world, board, parse(where, target(path, query).pairs), omit)


def as_response(answer: Answer) -> Response:
    """As it comes over the wire, with gzip."""
    fields = (
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
        ("Content-Length", str(len(answer.compressed))),
        ("x-requests-last", str(answer.cost)),
    )
    return Response(200, fields, answer.compressed)


def upstream(canonical: CanonicalRequest) -> str:
    """The request target that holdover sends, without its credential."""
    return canonical.target
