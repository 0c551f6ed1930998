import pytest

from sidecar.promos.language import said, spoken


@pytest.mark.parametrize(
    ("asked", "found"),
    {
        "en-GB": ("en-GB", "en"),
        "en-gb": ("en-GB", "en"),
        "en": ("en",),
        "EN-US": ("en",),
        "zh-Hant-CN-x-private1-private2": ("zh-Hant-CN", "zh-Hant"),
        "zh-Hant-x": ("zh-Hant",),
        "english": (),
        "x-en": (),
        "-": (),
        "": (),
    }.items(),
)
def test_a_reader_is_served_in_ever_less_narrow_languages(asked: str, found: tuple[str, ...]):
    # "zh-Hant-CN-x" would be found if the letter stood without what follows it.
    assert spoken(asked, frozenset(["en", "en-GB", "es", "zh-Hant", "zh-Hant-CN", "zh-Hant-CN-x"])) == found


def test_what_is_said_is_said_in_the_closest_there_is():
    words = {"en": "Colors", "en-GB": "Colours"}
    assert said(words, ("en-GB", "en"), "") == "Colours"
    assert said(words, ("en-AU", "en"), "") == "Colors"
    assert said(words, ("es",), "?") == "?"
