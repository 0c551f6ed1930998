from pathlib import Path

from sidecar.promos.chronicle import Chronicle
from sidecar.promos.document import Vocabulary
from sidecar.promos.history import History
from sidecar.promos.standing import Change, Live


def test_what_is_told_again_and_is_the_same_is_recorded_once(tmp_path: Path):
    chronicle = Chronicle(tmp_path, History(tmp_path / "history"))

    def kept(revision: str) -> list[str]:
        chronicle.keep(Change(Live(revision, Vocabulary(), ()), (), {"a.json": revision.encode()}))
        return [record.revision for record in chronicle.history.records() if record.what == "accepted"]

    assert kept("r1") == kept("r1") == ["r1"]
    chronicle.history.append("hidden", "holdover", "", 0.0, detail={"promo": "a"})
    assert kept("r1") == ["r1"]
    assert kept("r2") == kept("r2") == ["r1", "r2"]
    assert kept("r1") == ["r1", "r2", "r1"], "what comes back went live anew"
