"""The file of targets: written whole, read where it can be."""

import pytest

from holdover.config import load
from scripts.rig import write_house
from sidecar import discovery
from sidecar.discovery import Target


@pytest.fixture
def config(tmp_path):
    return load(write_house(tmp_path, "http://127.0.0.1:1").config, {"RIG_CREDENTIAL": "a-credential"})


def test_what_is_written_is_read(config):
    discovery.write(config, ("127.0.0.1:9101", "127.0.0.1:9103"))
    assert discovery.proxies(config) == [Target("127.0.0.1:9101", "0"), Target("127.0.0.1:9103", "1")]
    assert [path.name for path in discovery.file_of(config).parent.iterdir()] == ["prometheus.json"]


@pytest.mark.parametrize("content", [None, "", "{", "[1]", '[{"targets": []}]', '{"targets": 1}', "\udcff"])
def test_without_a_good_file_it_is_the_configured_one(config, content):
    if content is not None:
        path = discovery.file_of(config)
        path.parent.mkdir(parents=True)
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert discovery.proxies(config) == [Target(config.settings.proxy.metrics, "0")]
