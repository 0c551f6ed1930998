"""300 saves of real files."""

import os
import random
import shutil
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.document import Picture
from sidecar.promos.sweep import sweep
from tests.sidecar.promos.edits import BYTES, GOOD, PICTURES, Edited, Page, restructured

SAVES = "written renamed truncated slow moved linked nowhere folder pipe removed image compliance".split()
HEADS = {
    name: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", told.width, told.height) + b"\x08\x02\0\0\0"
    for name, told in PICTURES.items()
}


class Folder(Page):
    """Read from the disk, whatever is said to be there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.put_back()
        super().__init__()

    def put_back(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, data in {**GOOD, **HEADS}.items():
            (self.folder / name).parent.mkdir(exist_ok=True, parents=True)
            (self.folder / name).write_bytes(data)

    def read(self, *_: object, fault: str = "") -> None:
        self.now += 0.25
        self.step(sweep(self.folder))


def saved(chance: random.Random, how: str, path: Path, data: bytes) -> Iterator[int]:
    """Yields where it may be read, and how often at most."""
    instead = {
        "nowhere": lambda: path.symlink_to("nowhere"),
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "removed": lambda: None,
    }
    if how in instead or how in ("linked", "moved"):
        path.unlink()
    if how in instead:
        instead[how]()
    elif how == "renamed":
        beside = path.with_name(f".{path.name}.{chance.random()}")
        beside.write_bytes(data)
        yield 3
        beside.replace(path)
    elif how in ("truncated", "slow"):
        with path.open("wb", buffering=0) as file:
            yield 3
            for at in range(0, len(data), 700) if how == "slow" else (0,):
                file.write(data[at : at + 700] if how == "slow" else data)
                yield 2
    elif how == "moved":
        yield 1
        path.write_bytes(data)
    elif how == "linked":
        target = path.parent.parent / "elsewhere"
        target.write_bytes(data)
        path.symlink_to(target)
    else:
        path.write_bytes(data)
    yield 3


def images(chance: random.Random, folder: Path) -> Mapping[str, Picture]:
    """One is gone, or none any more."""
    name = chance.choice(sorted(PICTURES))
    if chance.random() < 0.5:
        (folder / name).unlink()
        return {other: told for other, told in PICTURES.items() if other != name}
    (folder / name).write_bytes(chance.choice([b"", b"GIF89a", HEADS[name][:18], b"<svg width='x'>", b"<?xml <<"]))
    return {**PICTURES, name: Picture(0, 0, 0)}


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(GOOD)), st.sampled_from(SAVES), st.integers(0, 2**32)),
        min_size=25,
        max_size=25,
    )
)
def test_no_save_ends_a_promo(edits: list[tuple[str, str, int]]):
    with tempfile.TemporaryDirectory() as place:
        page = Folder(Path(place) / "promos")
        for name, how, seed in edits:
            chance = random.Random(seed)
            pictures: Mapping[str, Picture] = PICTURES
            data = chance.choice([restructured, *BYTES])(chance, GOOD[name])
            may_end = frozenset[str]()
            if how == "image":
                pictures, data = images(chance, page.folder), GOOD[name]
            elif how == "compliance":
                shutil.rmtree(page.folder / "compliance")
                (page.folder / "compliance").write_bytes(data)
                data, how = GOOD["top.json"], "written"
                name = "top.json"
            for most in saved(chance, how, page.folder / name, data):
                left = None if how == "removed" else data
                may_end |= Edited({name: left}, pictures).may_end
                for _ in range(chance.randrange(1, most + 1)):
                    page.read()
                    page.keeps_all_but(may_end)
            page.put_back()
            page.is_as_it_was()
