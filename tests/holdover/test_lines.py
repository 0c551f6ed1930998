import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.lines import line_of

TEXT = '''\
# name = "not this one"
name = "vendor"
"quoted key" = 1
limits.burst = 5
limits.rate_per_s = 2 # burst = 9
hosts = [
  "a.test",  # ] no end
  "window_s = 3",
  "[routes]",
]
text = "a = \\" [ { # "
literal = 'b = [ {'

[credential]   # [quota]
env = "X"
also = [ "a",
  "b" ]

[ quota ]
last = "x"

[[routes]]
name = "one"
defaults = { a = "[", b = "{" }
window_s = 1

  [[routes]]
  name = "two"
  window_s=2

[routes.defaults]
window_s = "3"
c.d = 4

[[routes]]
'name' = "three"

[last."dotted.name".deep]
key = 1
'''  # fmt: skip


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("quoted key",), 3),
        (("limits", "burst"), 4),
        (("limits", "rate_per_s"), 5),
        (("limits",), 4),
        (("hosts",), 6),
        (("hosts", 1), 6),
        (("text",), 11),
        (("literal",), 12),
        (("credential",), 14),
        (("credential", "env"), 15),
        (("credential", "also", 1), 16),
        (("quota", "last"), 20),
        (("routes",), 22),
        (("routes", 0), 22),
        (("routes", 0, "name"), 23),
        (("routes", 0, "defaults", "b"), 24),
        (("routes", 0, "window_s"), 25),
        (("routes", 0, "max_stale_s"), 22),
        (("routes", 1), 27),
        (("routes", 1, "name"), 28),
        (("routes", 1, "window_s"), 29),
        pytest.param(
            ("routes", 1, "defaults"),
            31,
        ),
        (("routes", 1, "defaults", "window_s"), 32),
        (("routes", 1, "defaults", "c", "d"), 33),
        (("routes", 2), 35),
        (("routes", 2, "name"), 36),
        (("routes", 2, "window_s"), 35),
        (("last", "dotted.name", "deep", "key"), 39),
        # What is not there: the nearest that is, or the first line.
        (("credential", "query"), 14),
        (("b",), 1),
        (("window_s",), 1),
        ((), 1),
    ],
)
def test_where_a_key_stands(path, line):
    tomllib.loads(TEXT)
    assert line_of(TEXT, path) == line


@pytest.mark.parametrize("quotes", ['"""', "'''"])
def test_what_stands_in_a_multi_line_string_is_no_key(quotes):
    text = f"first = {quotes}\nname = 1\n[routes]\n[[routes]]\n{quotes}\nname = 2\n[[routes]]\nname = 3\n"
    assert tomllib.loads(text)["name"] == 2
    assert line_of(text, ("name",)) == 6
    assert line_of(text, ("routes", 0, "name")) == 8


@pytest.mark.parametrize("text", ["", "[", "]]]", "= 1", "[[", '"', '"""', "[a", "\x00", "a = [\n", "}\n]\nname = 1"])
def test_any_text_has_an_answer(text):
    assert line_of(text, ("name",)) >= 1


@given(st.text(st.sampled_from("a.=[]{}\"'#\n ,1\\"), max_size=60), st.lists(st.just("a") | st.just(0), max_size=3))
def test_every_line_is_one_of_the_text(text, path):
    assert 1 <= line_of(text, tuple(path)) <= max(1, len(text.splitlines()))
