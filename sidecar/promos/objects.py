"""Contents by their digest, and sets of files as lists of digests. What is there is never written again."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .durable import replace, sync
from .record import DIGEST, canonical, digest


class HistoryError(Exception):
    """What was kept cannot be given back; the message names the object."""


@dataclass(frozen=True, slots=True)
class Objects:
    """`ab/cdef…` in a folder, by SHA-256: sets share the files that are the same, and equal sets are one. Raises
    OSError where it reads or writes."""

    folder: Path

    def keep(self, data: bytes) -> str:
        """Its digest."""
        path = self.folder / _place(name := digest(data))
        if not path.exists():
            for folder in (self.folder, path.parent):
                if not folder.is_dir():
                    folder.mkdir()
                    sync(folder.parent)
            replace(path, data)
        return name

    def keep_set(self, files: Mapping[str, bytes]) -> str:
        """The digest of the list of files. That is last: what a list names is there."""
        return self.keep(canonical({name: self.keep(data) for name, data in files.items()}))

    def set(self, held: str, number: int) -> Mapping[str, bytes]:
        """Of a record. Raises HistoryError."""
        names = self._names(held, number)
        return {name: self._get(one, f"{name} of record {number}") for name, one in names.items()}

    def differing(
        self, before: tuple[str, int] | None, after: tuple[str, int]
    ) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
        """Of two sets what is not the same in both, each with its record. Raises HistoryError."""
        old, new = self._names(*before) if before else {}, self._names(*after)
        return (
            {
                n: self._get(one, f"{n} of record {before[1] if before else 0}")
                for n, one in old.items()
                if new.get(n) != one
            },
            {n: self._get(one, f"{n} of record {after[1]}") for n, one in new.items() if old.get(n) != one},
        )

    def damaged(self, sets: Mapping[str, int]) -> Iterator[str]:
        """What cannot be given back of all that is here, and of these sets with a record of each."""
        there = (path.parent.name + path.name for path in self.folder.glob("??/*"))
        objects = {name: "of no set" for name in there if DIGEST.fullmatch(name)}
        for held, number in sets.items():
            objects.pop(held, None)
            try:
                objects |= {one: f"{name} of record {number}" for name, one in self._names(held, number).items()}
            except HistoryError as error:
                yield str(error)
        for name, what in objects.items():
            try:
                self._get(name, what)
            except HistoryError as error:
                yield str(error)

    def _names(self, held: str, number: int) -> Mapping[str, str]:
        """The digest of each file. Raises HistoryError."""
        what = f"the list of files of record {number}"
        data = self._get(held, what)
        try:
            names: dict[str, str] = json.loads(data)
            if all(DIGEST.fullmatch(one) for one in names.values()):
                return names
        except (ValueError, AttributeError, TypeError, RecursionError):
            pass
        raise HistoryError(f"object {_place(held)} ({what}) is no such list")

    def _get(self, name: str, what: str) -> bytes:
        try:
            data = (self.folder / _place(name)).read_bytes()
        except FileNotFoundError as error:
            raise HistoryError(f"object {_place(name)} ({what}) is missing") from error
        if digest(data) != name:
            raise HistoryError(f"object {_place(name)} ({what}) is damaged: it is not what its name was made of")
        return data


def _place(name: str) -> str:
    return f"{name[:2]}/{name[2:]}"
