"""Promos in the shape that an old homepage expects."""

import json
from typing import Any

import pytest

from holdover.answer import Answer, Wants
from holdover.promo_answer import Shaped, ShapeError, ToldPromos, shaped
from holdover.promo_settings import PromoRouteSettings

WHO = {"jurisdiction": {"header": "X-Geo"}, "language": {"header": "Accept-Language", "values": {"en": "en"}}}


def promo(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "title": name.title(), "link": f"/{name}", "variant": None, **more}


FACTS = {
    "revision": "r1",
    "next_change_at": "2026-11-26T17:00:00+00:00",
    "slots": {
        "hero": [promo("one", image={"src": "one.png", "alt": "One"})],
        "boosts": [],
        "notices": [promo("two"), promo("three")],
    },
    "generated_at": "2026-11-26T12:00:00+00:00",
}


def made(facts: dict[str, Any] = FACTS, **settings: Any) -> Shaped:
    old = PromoRouteSettings.model_validate({"name": "old", "path": "/old", "audience": WHO, **settings})
    return shaped(old, ToldPromos(facts, "private, max-age=30"))


def body(**settings: Any) -> Any:
    return json.loads(made(**settings).body)


def fields(answer: Answer) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in answer.fields}


def test_without_a_shape_it_is_what_the_sidecar_says():
    assert body() == FACTS
    assert list(body()) == list(FACTS)


def test_one_slot_of_all():
    assert body(slot="notices") == {**FACTS, "slots": {"notices": FACTS["slots"]["notices"]}}  # type: ignore[index]


def test_a_list_of_one_slot_or_of_all_in_their_order():
    assert [each["id"] for each in body(answer="list", slot="notices")] == ["two", "three"]
    assert [each["id"] for each in body(answer="list")] == ["one", "two", "three"]
    assert body(answer="list", slot="boosts") == []


def test_a_list_at_its_old_place():
    assert body(answer="list", slot="boosts", wrap="data") == {"data": []}
    assert body(answer="list", slot="boosts", wrap="data.page.banners") == {"data": {"page": {"banners": []}}}


def test_members_by_their_old_names():
    names = {"headline": "title", "imgUrl": "image.src", "pic": "image", "small.print": "terms.short", "v": "variant"}
    one, two, _ = body(answer="list", fields=names)
    assert one == {
        "headline": "One",
        "imgUrl": "one.png",
        "pic": {"src": "one.png", "alt": "One"},
        "small.print": None,
        "v": None,
    }
    assert two["imgUrl"] is None
    assert body(fields={"name": "id"})["slots"]["hero"] == [{"name": "one"}]


def test_a_slot_that_there_is_not():
    with pytest.raises(ShapeError, match=r"slots.json has no slot 'top'; name one of boosts, hero, notices"):
        made(slot="top")


def test_header_fields():
    found = fields(made(headers={"Access-Control-Allow-Origin": "*"}).answer(Wants(), again=False))
    assert found.pop("etag").startswith('W/"')
    assert found == {
        "content-type": "application/json; charset=utf-8",
        "content-length": str(len(made().body)),
        "cache-control": "private, max-age=30",
        "vary": "Accept-Language, X-Geo",
        "access-control-allow-origin": "*",
        "cache-status": "holdover; fwd=miss",
    }
    assert "vary" not in fields(
        made(audience={"jurisdiction": {"constant": "GB"}, "language": {"constant": "en"}}).answer(
            Wants(), again=False
        )
    )


def test_what_is_used_again_is_counted_a_second_older():
    """Its max-age was told up to a quarter of a second ago."""
    found = fields(made().answer(Wants(), again=True))
    assert (found["age"], found["cache-status"]) == ("1", "holdover; hit")


def test_a_head_has_the_fields_alone():
    asked, headed = made().answer(Wants(), again=False), made().answer(Wants(head=True), again=False)
    assert (headed.status, headed.fields, headed.body) == (200, asked.fields, b"")


def test_the_tag_tells_of_what_is_shown_and_not_of_when_it_was_asked():
    later = {**FACTS, "generated_at": "2026-11-26T12:00:01+00:00"}
    assert made(later).etag == made().etag
    assert made(later).body != made().body
    edited = {**FACTS, "slots": {"hero": [], "boosts": [], "notices": FACTS["slots"]["notices"]}}  # type: ignore[index]
    assert made(edited).etag != made().etag
    # of a list only what stands in it
    assert made(edited, answer="list", slot="notices").etag == made(answer="list", slot="notices").etag
    assert made(answer="list", slot="hero").etag != made(answer="list", slot="hero", fields={"a": "id"}).etag


def test_who_has_it_already_is_told_so():
    found = made()
    answer = found.answer(Wants(if_none_match=f'"other", {found.etag}'), again=False)
    assert (answer.status, answer.body) == (304, b"")
    assert fields(answer)["cache-control"] == "private, max-age=30"
    assert not {"content-type", "content-length"} & fields(answer).keys()
    assert found.answer(Wants(if_none_match='"other"'), again=False).status == 200
