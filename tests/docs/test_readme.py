"""The README tells the truth: its reference is what the code says, and what it names exists."""

import re

from scripts.reference import README, updated

ROOT = README.parent


def test_reference_is_up_to_date():
    text = README.read_text(encoding="utf-8")
    assert updated(text) == text, "run `python -m scripts.reference --write`"


def test_every_named_script_exists():
    for name in re.findall(r"`?(scripts/[a-z]+)\b", README.read_text(encoding="utf-8")):
        assert (ROOT / name).is_file(), name


def test_every_dependency_is_explained():
    text = README.read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = project.partition("dependencies = [")[2].partition("[project.scripts]")[0]
    for name in re.findall(r'^    "([a-zA-Z-]+)', listed, re.MULTILINE):
        assert name == "holdover" or name.lower() in text.lower(), name


def test_the_lock_names_no_index():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"https?://|--index-url|--find-links", lock)
    assert all("--hash" in block for block in re.split(r"\n(?=[a-z])", lock))
