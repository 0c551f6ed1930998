import json
from pathlib import Path

import pytest

from sidecar.promos.tokens import TOKENS, new_token, owner, remove_token, tokens


def test_a_token_is_its_owners_until_there_is_another_or_none(tmp_path: Path):
    assert tokens(tmp_path) == {}
    one, other = new_token(tmp_path / "state", "ops-1"), new_token(tmp_path / "state", "ops-2")
    known = tokens(tmp_path / "state")
    assert (owner(known, one), owner(known, other), owner(known, "")) == ("ops-1", "ops-2", None)
    path = tmp_path / "state" / TOKENS
    assert one not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    again = new_token(tmp_path / "state", "ops-1")
    known = tokens(tmp_path / "state")
    assert (owner(known, one), owner(known, again), owner(known, other)) == (None, "ops-1", "ops-2")
    assert remove_token(tmp_path / "state", "ops-1")
    assert not remove_token(tmp_path / "state", "ops-1")
    assert owner(tokens(tmp_path / "state"), again) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        '{"ops-1": "é"}'.encode(),
        b'{"ops-1": null}',
        b'{"ops-1": {}}',
        b'{"ops-1": "\\ud800"}',
        b'{"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}',
    ],
)
def test_a_damaged_file_lets_nobody_in_and_is_no_sign_that_there_are_none(tmp_path: Path, data: bytes):
    (tmp_path / TOKENS).write_bytes(data)
    known = tokens(tmp_path)
    assert known
    for token in ("", "x", "é", "\ud800"):
        assert owner(known, token) is None
    token = new_token(tmp_path, "ops-2")
    assert owner(tokens(tmp_path), token) == "ops-2"


def test_what_cannot_be_read_lets_nobody_in_and_is_not_written_over(tmp_path: Path):
    (tmp_path / TOKENS).mkdir()
    assert tokens(tmp_path) == {"": ""}
    for write in (lambda: new_token(tmp_path, "ops-1"), lambda: remove_token(tmp_path, "ops-1")):
        with pytest.raises(OSError, match="directory"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == [TOKENS]


def test_others_keep_theirs(tmp_path: Path):
    kept = new_token(tmp_path, "ops-1")
    for number in range(3):
        new_token(tmp_path, f"ops-{number + 2}")
    assert owner(tokens(tmp_path), kept) == "ops-1"
    assert len(json.loads((tmp_path / TOKENS).read_bytes())) == 4
