"""The names that profiles give: their own, and those of the kinds of projection that they know."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from holdover.providers.registry import PROFILES

UNKNOWN_NAME = "unknown_name"
"""The type of the error about any other name; its context has as `known` the names that there are."""


def _one_of(names: Iterable[str]) -> AfterValidator:
    known = list(names)
    *others, last = map(repr, known)
    expected = f"{', '.join(others)} or {last}"

    def checked(name: str) -> str:
        if name not in known:
            raise PydanticCustomError(UNKNOWN_NAME, "must be {expected}", {"expected": expected, "known": known})
        return name

    return AfterValidator(checked)


_KINDS = {name: sorted(profile.known_kinds) for name, profile in PROFILES.items() if profile.known_kinds}

ProfileName = Annotated[str, _one_of(PROFILES)]
Kind = Annotated[str, _one_of(sorted({kind for kinds in _KINDS.values() for kind in kinds}))]
"""A kind of projection that some profile knows."""
PROFILES_TOLD = ", ".join(f"`{name}`" for name in PROFILES)
KINDS_TOLD = "; ".join(f"of `{name}` {', '.join(f'`{kind}`' for kind in kinds)}" for name, kinds in _KINDS.items())
LOGINS = tuple(beginning for profile in PROFILES.values() for beginning in profile.logins)
"""Beginnings of the names of hosts that are never opened."""
