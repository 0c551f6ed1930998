"""Images of live promos, and nothing else of the machine."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.promos.document import Image
from sidecar.promos.images import KINDS, MOST_BYTES, read
from sidecar.promos.tokens import new_token
from tests.sidecar.console.scenes import PROMO, live, served


def showing(*names: str):
    return live(*(replace(PROMO, id=f"p{n}", image=Image(name, {"en": ""})) for n, name in enumerate(names)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "promos"
    (inner / "deep").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"secret")
    for name in ("live.png", "idle.png", "deep/Ünder #1.SVG", "kill.json"):
        (inner / name).write_bytes(name.encode())
    (inner / "out.png").symlink_to(tmp_path / "secret.png")
    (inner / "in.png").symlink_to(inner / "live.png")
    (inner / "away").symlink_to(tmp_path)
    os.mkfifo(inner / "pipe.png")
    return inner


async def test_an_image_of_a_live_promo(folder: Path):
    async with served(showing("live.png", "deep/Ünder #1.SVG", "in.png"), folder) as client:
        answer = await client.get("/v1/promos/images/live.png")
        assert (answer.status, await answer.read()) == (200, b"live.png")
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        assert answer.headers["Cache-Control"] == "private, max-age=60"
        again = await client.get("/v1/promos/images/live.png", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status, await again.read()) == (304, b"")
        drawn = await client.get("/v1/promos/images/deep/%C3%9Cnder%20%231.SVG")
        assert (drawn.status, drawn.headers["Content-Type"]) == (200, "image/svg+xml")
        assert (await client.get("/v1/promos/images/in.png")).status == 200


@pytest.mark.parametrize(
    "named",
    [
        "missing.png",
        "out.png",
        "away/secret.png",
        "../secret.png",
        "deep/../../secret.png",
        "/etc/hostname",
        "deep",
        "pipe.png",
        "kill.json",
        "nul\0.png",
        "",
    ],
)
async def test_what_is_no_image_in_the_folder_is_not_found(folder: Path, named: str):
    async with served(showing("live.png", named), folder) as client:
        for path in (named, named.replace("/", "%2f").replace(".", "%2e")):
            answer = await client.get(f"/v1/promos/images/{path}".replace("\0", "%00"))
            assert answer.status == 404
            assert b"secret" not in (await answer.read()).replace(b"secret.png", b"")


async def test_an_image_that_nothing_live_names_is_for_those_who_may_write(folder: Path):
    async with served(showing("live.png"), folder) as client:
        assert (await client.get("/v1/promos/images/idle.png")).status == 200
        new_token(folder / "state", "ops-1")
        assert (await client.get("/v1/promos/images/idle.png")).status == 404
        assert (await client.get("/v1/promos/images/live.png")).status == 200


def test_a_file_that_is_too_large_is_not_read_into_memory(tmp_path: Path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert read(tmp_path, "huge.png") is None
    assert sorted(KINDS) == [".avif", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"]
