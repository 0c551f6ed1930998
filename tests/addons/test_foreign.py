from types import ModuleType

from mitmproxy.addons import core, dumper, next_layer

from addons.foreign import foreign
from addons.odds_cache import OddsCache


class Asks:
    def request(self, flow):
        """Sees all."""


class Listens:
    def responseheaders(self, flow):
        """Sees all."""


class Starts:
    def running(self):
        """Sees none."""


class Holds:
    def __init__(self, *inner):
        self.addons = list(inner)


def test_who_sees_requests_or_answers_is_foreign():
    own = OddsCache()
    module = ModuleType("__mitmproxy_script__.theirs")
    module.response = lambda flow: None  # type: ignore[attr-defined]
    chain = [core.Core(), own, next_layer.NextLayer(), dumper.Dumper(), Starts(), Holds(Listens(), Starts()), Asks()]
    assert foreign(chain, own) == ["Asks", "Listens"]
    assert foreign([*chain, module], own) == ["Asks", "Listens", "theirs"]
    assert foreign([own], own) == []
    assert foreign([OddsCache()], own) == ["OddsCache"]
