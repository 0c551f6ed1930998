import argparse
import json
from pathlib import Path

import pytest

from sidecar.promos.commands import add
from tests.sidecar.promos.edits import GOOD
from tests.sidecar.promos.test_bad_edits_disk import HEADS


def linted(folder: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    add(parser)
    options = parser.parse_args(["lint", str(folder), *words])
    return int(options.run(options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {**GOOD, **HEADS}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_what_is_good_is_no_annotation(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert linted(folder, "--format", "github") == 0
    assert capsys.readouterr().out.strip() == ""
    assert linted(folder) == 0
    assert capsys.readouterr().out == f"{folder}: 12 promos good\n"


def test_each_mistake_is_an_annotation_of_its_line(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "a,b:c%.json").write_bytes(b'{"promos": [],\n "x\\n": 1}')
    (folder / "top.json").write_bytes(b"{\n")
    assert linted(folder, "--format", "github") == 1
    place = str(folder).replace("%", "%25")
    odd, torn = capsys.readouterr().out.splitlines()
    remedy = "known are $schema, promos"
    assert odd == f"::error file={place}/a%2Cb%3Ac%25.json,line=2,col=2::/x%0A: is not known here; {remedy}"
    assert torn.startswith(f"::error file={place}/top.json,line=2,col=1::")


def test_json_is_asked_for_either_way(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "top.json").write_bytes(b"")
    told = []
    for words in (["--json"], ["--format", "json"]):
        assert linted(folder, *words) == 1
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1]
    assert [problem["file"] for problem in told[0]["problems"]] == ["top.json"]
