"""A document against its JSON Schema, with the place and a remedy for each error."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from .problem import Problem
from .scan import Place, Scanned, escaped

MOST_SAID = 300
"""Characters of what the library says."""
AT_ONCE = 50
"""Promos. The library finds all that is wrong before it tells the first, at 20 µs each."""


@cache
def _validator(name: str) -> tuple[Any, dict[str, Any]]:
    schema = json.loads((files(__package__) / "schema" / f"{name}.schema.json").read_text())
    return jsonschema_rs.validator_for(schema, validate_formats=True), schema


def violations(name: str, file: str, scanned: Scanned) -> Iterator[Problem]:
    """All there are; `name` is that of the schema: "promo", "slots" or "audiences"."""
    validator, schema = _validator(name)
    for path, error in _errors(validator, scanned.value):
        pointer = "".join(f"/{escaped(part)}" for part in path)
        kind = error.kind
        if kind.name == "additionalProperties":
            known = _known(schema, error.schema_path)
            for unexpected in kind.unexpected:
                inner = f"{pointer}/{escaped(unexpected)}"
                yield Problem(file, _place(scanned, inner), inner, "is not known here", _close(unexpected, known))
        elif kind.name == "enum":
            shown = ", ".join(json.dumps(each) for each in kind.options)
            remedy = _close(str(error.instance), [str(each) for each in kind.options])
            yield Problem(file, _nearest(scanned.values, pointer), pointer, f"has to be one of {shown}", remedy)
        elif kind.name == "required":
            yield Problem(
                file, _place(scanned, pointer), pointer, f"{kind.property} is missing", f"add {kind.property}"
            )
        elif kind.name == "pattern":
            yield Problem(file, _nearest(scanned.values, pointer), pointer, *_form(error.schema_path, kind.pattern))
        else:
            # The whole value is in the message.
            said = error.message if len(error.message) <= MOST_SAID else f"{error.message[:MOST_SAID]}…"
            yield Problem(file, _place(scanned, pointer), pointer, said)


def _errors(validator: Any, value: Any) -> Iterator[tuple[list[str | int], Any]]:
    """With the paths in the whole document. What is wrong beside the promos is told once."""
    promos = value.get("promos") if isinstance(value, dict) else None
    if not isinstance(promos, list):
        yield from ((error.instance_path, error) for error in validator.iter_errors(value))
        return
    for begin in range(0, max(1, len(promos)), AT_ONCE):
        for error in validator.iter_errors({**value, "promos": promos[begin : begin + AT_ONCE]}):
            match error.instance_path:
                case ["promos", int(number), *rest]:
                    yield ["promos", begin + number, *rest], error
                case path if begin == 0:
                    yield path, error


def _form(path: list[str | int], pattern: str) -> tuple[str, str]:
    """What a pattern asks for, in words."""
    words = {
        "local": ("is no local time", "write it as 2026-11-26T12:00"),
        "name": ("is no name", "small letters, digits and hyphens, 64 at most"),
        "link": ("is no link", "begin with https:// or, on this site, with /"),
    }
    found = [words[str(part)] for part in path if str(part) in words]
    return found[-1] if found else (f"does not match {pattern}", "")


def _known(schema: dict[str, Any], path: list[str | int]) -> list[str]:
    """The names that the object knows whose `additionalProperties` said no."""
    here: Any = _at(schema, path[:-1])
    return list(here.get("properties", {}))


def _close(given: str, known: list[str]) -> str:
    if not known:
        return "languages are named such as en or en-US"
    if close := get_close_matches(given, known, 1):
        return f"did you mean {json.dumps(close[0])}?"
    return f"known are {', '.join(known)}"


def _at(value: Any, path: list[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value


def _place(scanned: Scanned, pointer: str) -> Place:
    """Of the member's name where there is one: for what lacks something that is where it begins."""
    return scanned.names[pointer] if pointer in scanned.names else _nearest(scanned.values, pointer)


def _nearest(places: Mapping[str, Place], pointer: str) -> Place:
    """Of that or of what it is in: the library leaves empty names out of its paths."""
    while pointer not in places:
        pointer = pointer.rpartition("/")[0]
    return places[pointer]
