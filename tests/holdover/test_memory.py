"""Where the cache is when it is in memory."""

from pathlib import Path

import pytest

from holdover.config import load_without_providers
from holdover.store.memory import MOUNTS, folder_in_memory

SMALL = 1_048_576


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    """A list of mounts in which a folder of the test is a tmpfs."""
    listed = tmp_path / "mounts"
    listed.write_text(f"/dev/root / ext4 rw 0 0\ntmpfs {tmp_path} tmpfs rw,nosuid 0 0\n")
    return listed


def test_each_store_has_a_folder_of_its_own_and_always_the_same(tmp_path: Path, mounts: Path):
    def found(beside: str) -> Path | None:
        return folder_in_memory(Path(beside), SMALL, mount=tmp_path, mounts=mounts)

    assert found("/srv/a/store") == found("/srv/a/store") != found("/srv/b/store")
    assert found("/srv/a/store").parent == tmp_path  # type: ignore[union-attr]


def test_a_disk_is_no_memory(tmp_path: Path):
    assert folder_in_memory(Path("/srv/store"), SMALL, mount=tmp_path, mounts=MOUNTS) is None
    assert folder_in_memory(Path("/srv/store"), SMALL, mount=tmp_path, mounts=tmp_path / "none") is None


def test_there_must_be_room(tmp_path: Path, mounts: Path):
    assert folder_in_memory(Path("/srv/store"), 1 << 60, mount=tmp_path, mounts=mounts) is None


@pytest.mark.parametrize(("written", "where"), [("", "var/store"), ("../elsewhere", "elsewhere")])
def test_the_cache_is_beside_the_ledger_or_where_it_is_wanted(tmp_path: Path, written: str, where: str):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "holdover.toml").write_text(f'[store]\ncache = "{written}"\n')
    config = load_without_providers(tmp_path / "config")
    assert config.cache_folder == tmp_path / where
    assert config.store_folder == tmp_path / "var" / "store"
