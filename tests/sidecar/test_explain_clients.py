"""`holdover explain` says of every client what the proxy does with it, and shows no credential."""

import hashlib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from holdover.admission import Admission
from holdover.config import Config
from holdover.credential import NOBODY, Credential
from holdover.provider_settings import ProviderSettings
from holdover.rules import Rules, Secret, compile_provider
from holdover.settings import Settings
from holdover.store.balance import Balance
from holdover.store.ledger import Ledger
from sidecar import stored
from sidecar.explain import Asked, Facts, as_json, as_text, explain

NOW = 1_795_435_200.0
DAY_S = 86_400.0
SECRETS = {"": Secret("own-secret"), "gold": Secret("gold-secret")}
SEEN = {"seen-client": -60.0, "old-client": -DAY_S, "early-client": 60.0}
"""When the provider accepted whom, in seconds after NOW."""
CLIENTS = ["own-secret", "gold-secret", "listed-client", "gold-client", "new-client", "", *SEEN]


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


SETTINGS: dict[str, Any] = {
    "name": "vendor",
    "hosts": ["api.vendor.test"],
    "origin": "https://origin.vendor.test",
    "credential": {"query": "apiKey", "env": "KEY"},
    "known": [digest("listed-client")],
    "classes": {"gold": {"credentials": [digest("gold-client")], "env": "GOLD"}},
    "routes": [{"name": "odds", "path": "/odds", "window_s": 10, "max_stale_s": 60}],
}
BORROWED = {"query": "apiKey", "borrow": True}
MODES: dict[str, dict[str, Any]] = {
    "known": {},
    "known, borrowed": {"credential": BORROWED},
    "open": {"clients": "open"},
    "open, borrowed": {"clients": "open", "credential": BORROWED},
    "own": {"clients": "own", "credential": {"query": "apiKey"}},
    "none asked for": {"credential": None},
}


@pytest.fixture
def config_of(tmp_path: Path) -> Callable[..., Config]:
    """A vendor whose settings keywords change; the provider accepted who is in SEEN."""

    def build(**changes: Any) -> Config:
        settings = ProviderSettings.model_validate({**SETTINGS, **changes})
        named = settings.credential
        lends = named is None or named.borrow or settings.clients == "own"
        secrets = {name: secret for name, secret in SECRETS.items() if name or not lends}
        top = Settings.model_validate({"store": {"folder": "store"}})
        return Config(tmp_path, top, Rules([compile_provider(settings, secrets)]), "")

    ledger = Ledger(tmp_path / "store")
    for client, after in SEEN.items():
        ledger.good("vendor", Credential((("apiKey", client),)).fingerprint(ledger.salt()), NOW + after)
    ledger.close()
    return build


def explained(config: Config, client: str | None, now: float = NOW) -> Facts:
    url = "https://api.vendor.test/odds" + ("" if client is None else f"?apiKey={client}")
    return explain(config, Asked(url), stored.read(config), now)


@pytest.mark.parametrize("mode", MODES)
def test_who_is_forwarded_is_whom_the_proxy_does_not_let_in(config_of, tmp_path: Path, mode: str):
    config = config_of(**MODES[mode])
    (provider,) = config.rules.providers
    ledger = Ledger(tmp_path / "store")
    for client, later in product([None, *CLIENTS], (0.0, DAY_S - 61, DAY_S)):
        found = explained(config, client, NOW + later)
        credential = NOBODY if client is None or mode == "none asked for" else Credential((("apiKey", client),))
        if "passed to the provider untouched" in found["decision"]:
            assert mode == "none asked for"
            continue
        let_in = Admission(ledger, ledger.salt()).admits(provider, credential, NOW + later)
        assert found["client"]
        assert str(found["decision"]).startswith("forwarded, ") is not let_in, (client, later, found)
        assert ("otherwise" in found) is (not let_in and (client is not None or mode == "known"))
    ledger.close()


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "none asked for"])
def test_no_credential_shows_in_what_is_told_of_the_client(config_of, mode: str):
    config = config_of(**MODES[mode])
    for client in CLIENTS:
        found = explained(config, client)
        assert found["client"]
        for text in (as_text(found), as_json(found)):
            assert not [value for value in (client, "own-secret", "gold-secret") if value and value in text]


@pytest.mark.parametrize(
    ("client", "said"),
    [
        (None, "not known: no credential was sent"),
        ("own-secret", "known: it sends holdover's own credential"),
        ("gold-secret", "known: it sends holdover's own credential"),
        ("listed-client", "known: its credential is listed by SHA-256"),
        ("gold-client", "known: its credential is listed by SHA-256 in class gold"),
        (
            "seen-client",
            "known: the provider accepted its credential 1 min ago; good for another 23 h 59 min, until "
            "2026-11-24 11:59:00 UTC",
        ),
        ("old-client", "not known any more: the provider accepted its credential 1 d ago, which counts for 1 d"),
        ("early-client", "not known: the provider accepted its credential before the clock was set back"),
        (
            "new-client",
            "not known: its credential is neither holdover's own nor listed, and the provider has not accepted it "
            "so far",
        ),
    ],
)
def test_who_the_client_is(config_of, client: str | None, said: str):
    assert explained(config_of(), client)["client"] == said


@pytest.mark.parametrize(
    ("mode", "client", "who", "credential"),
    [
        ("open", None, "anybody, known or not (clients = 'open')", "holdover's own is added"),
        (
            "open",
            "new-client",
            "anybody, known or not (clients = 'open')",
            "holdover's own is added; the client's is left out",
        ),
        (
            "open",
            "gold-client",
            "of class gold, known or not (clients = 'open')",
            "holdover's own is added; the client's is left out",
        ),
        (
            "open, borrowed",
            "new-client",
            "whoever sends a credential, known or not (clients = 'open')",
            "the client's own goes along, in refreshes the last one that the provider accepted",
        ),
        ("open, borrowed", None, "not known: no credential was sent", "none goes along"),
        (
            "own",
            "new-client",
            "a tenant: asked for with its own credential, and kept for it alone (clients = 'own')",
            "the client's own goes along, in refreshes too",
        ),
        ("known", "new-client", None, "the client's own goes along"),
        ("none asked for", None, "anybody: the provider asks for no credential", None),
    ],
)
def test_whose_credential_goes_along(config_of, mode: str, client: str | None, who: str | None, credential: str):
    found = explained(config_of(**MODES[mode]), client)
    assert who in (found["client"], None)
    assert found.get("credential") == credential


def test_what_follows_for_whom_is_not_known(config_of):
    found = explained(config_of(), "new-client")
    assert found["upstream"] == "GET https://origin.vendor.test/odds is asked, for 1 credit of the client's own"
    miss = "miss: one request goes to the provider; whoever asks meanwhile shares the answer"
    assert found["otherwise"] == f"a 200 makes the client known for 1 d, and then it gets, as things are: {miss}"
    nobody = explained(config_of(), None)
    assert nobody["upstream"] == "GET https://origin.vendor.test/odds is asked, without a credential"
    assert nobody["otherwise"] == f"a client that is known gets: {miss}"
    route = {**SETTINGS["routes"][0], "proves_credential": False}
    assert str(explained(config_of(routes=[route]), "new-client")["otherwise"]).startswith(
        "answers of this route prove no credential; once another one does, the client gets, as things are: "
    )


def test_who_pays_is_whose_credential_goes_along(config_of):
    assert str(explained(config_of(), "seen-client")["upstream"]).endswith("is asked, for 1 credit")
    tenant = explained(config_of(**MODES["own"]), "seen-client")
    assert str(tenant["upstream"]).endswith("is asked, for 1 credit of the client's own")


def test_without_a_ledger_nothing_is_known_of_anybody(config_of, tmp_path: Path):
    config = config_of()
    (tmp_path / "store" / "ledger.db").unlink()
    found = explained(config, "seen-client")
    assert str(found["client"]).endswith("nothing tells whether the provider accepted it: there is no ledger yet")
    assert str(found["decision"]).startswith("forwarded, ")
    tenant = explained(config_of(**MODES["own"]), "seen-client")
    assert str(tenant["partition"]).startswith("named, and the key with it, once there is a ledger: ")


def test_what_is_suspended_is_the_account_of_the_clients_class(config_of, tmp_path: Path):
    ledger = Ledger(tmp_path / "store")
    ledger.tell("vendor", "gold", Balance(0, 500, NOW, frozen_until=NOW + 60))
    ledger.close()
    suspended = "; calls that cost are suspended until 2026-11-23 12:01:00 UTC, as the quota is used up"
    gold = explained(config_of(), "gold-client")
    assert gold["decision"] == f"miss: the provider's own refusal{suspended}"
    assert "suspended" not in str(explained(config_of(), "seen-client"))


def test_who_is_not_known_is_told_what_a_known_client_gets_of_a_dead_credential(config_of, tmp_path: Path):
    """The call with the client's own credential is not held back."""
    ledger = Ledger(tmp_path / "store")
    ledger.tell("vendor", "", Balance(None, None, 0.0, dead=True))
    ledger.close()
    found = explained(config_of(), "new-client")
    assert found["upstream"] == "GET https://origin.vendor.test/odds is asked, for 1 credit of the client's own"
    assert "; the provider did not accept holdover's credential, " in str(found["otherwise"])
    borrowed = explained(config_of(**MODES["open, borrowed"]), "new-client")
    assert str(borrowed["decision"]).startswith("miss: one request goes to the provider")
