import json
from datetime import UTC, datetime

import pytest

from sidecar.promos.desk import pretty
from sidecar.promos.document import Vocabulary
from sidecar.promos.new import template
from sidecar.promos.validate import check
from tests.sidecar.promos.edits import GOOD

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
REQUIRED = [{"texts": {"en": ["Play responsibly"], "es": ["Juega con cabeza"]}, "why": "the law asks for it"}]
KINDS = [("banner", "hero"), ("carousel-item", "carousel"), ("boosted-odds", "boosts"), ("notice", "notices")]


def known(files: dict[str, bytes]) -> Vocabulary:
    return check(files, {}).vocabulary


@pytest.mark.parametrize(("kind", "slot"), KINDS)
@pytest.mark.parametrize("required", [[], REQUIRED])
def test_what_is_new_is_good_but_for_its_image(kind: str, slot: str, required: list[object]):
    files = {name: data for name, data in GOOD.items() if "/" in name or name in ("slots.json", "audiences.json")}
    for name in [each for each in files if "/" in each]:
        files[name] = json.dumps({**json.loads(files[name]), "required": required}).encode()
    document = template("spring-2026", kind, slot, known(files), NOW)
    found = check({**files, "spring-2026.json": pretty(document)}, {})
    image = kind in ("banner", "carousel-item")
    assert [(problem.pointer, problem.message) for problem in found.problems] == (
        [("/promos/0/image/src", 'there is no file "spring-2026.png" beside this one')] if image else []
    )
    assert [promo["start"] for promo in document["promos"]] == ["2026-03-08T12:00"]
