"""Who gets stored answers, and that no two who must not share ever share a key."""

import hashlib
import random
from collections import defaultdict

import pytest

from holdover import admission as module
from holdover.admission import Admission
from holdover.credential import NOBODY, Credential
from holdover.exchange import Request
from holdover.key import Bypass, Cacheable, plan
from holdover.rules import Rules

NOW = 1_795_435_200.0
OWN = {"env": "KEY", "query": "apiKey", "also": ["X-Key"]}
GOOD, BAD = (Credential((("apiKey", key),)) for key in ("good-key", "bad-key"))


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


@pytest.fixture
def known(provider_of):
    def build(**changes):
        return provider_of(**{"clients": "known", "credential": OWN, **changes})

    return build


@pytest.fixture
def admission_of(open_ledger):
    """Makes an admission, as another process would have it when asked again."""

    def build():
        ledger = open_ledger()
        return Admission(ledger, ledger.salt())

    return build


@pytest.fixture
def admission(admission_of):
    return admission_of()


def test_nobody_is_known_at_first(admission, known):
    for credential in (NOBODY, GOOD, Credential(headers=(("X-Key", "x"),))):
        assert not admission.admits(known(), credential, NOW)


def test_where_clients_need_not_be_known_everybody_is_let_in(admission, known):
    for credential in (NOBODY, GOOD):
        assert admission.admits(known(clients="open"), credential, NOW)


@pytest.mark.parametrize("clients", ["own", "open"])
def test_who_is_called_with_the_clients_own_credential_needs_one(admission, known, clients):
    credential = {"query": "apiKey", "borrow": clients == "open"}
    vendor = known(clients=clients, credential=credential)
    assert admission.admits(vendor, GOOD, NOW)
    assert not admission.admits(vendor, NOBODY, NOW)


def test_what_another_process_saw_is_not_looked_up_where_that_would_block(admission, admission_of, known):
    vendor, other = known(), admission_of()
    admission.accepted(vendor, GOOD, NOW)
    assert admission.remembers(vendor, GOOD, NOW)
    assert not other.remembers(vendor, GOOD, NOW)
    assert other.admits(vendor, GOOD, NOW)
    assert other.remembers(vendor, GOOD, NOW)


def test_a_provider_that_asks_for_no_credential_is_open(admission, provider_of):
    assert admission.admits(provider_of(clients="known"), NOBODY, NOW)


def test_who_was_accepted_is_let_in_for_a_period_and_by_every_process(admission, admission_of, known):
    vendor = known(known_for_s=100.0)
    admission.accepted(vendor, GOOD, NOW)
    for one in (admission, admission_of()):
        assert one.admits(vendor, GOOD, NOW + 99)
        assert not one.admits(vendor, GOOD, NOW + 100)
        assert not one.admits(vendor, BAD, NOW + 1)
        assert not one.admits(vendor, NOBODY, NOW + 1)
        assert not one.admits(known(name="other"), GOOD, NOW + 1), "another provider never heard of it"


def test_what_another_process_saw_is_not_good_for_longer_here(admission, admission_of, known):
    vendor, other = known(known_for_s=100.0), admission_of()
    admission.accepted(vendor, GOOD, NOW)
    assert other.admits(vendor, GOOD, NOW + 50)
    assert not other.admits(vendor, GOOD, NOW + 101)


def test_who_is_accepted_again_stays(admission, known):
    vendor = known(known_for_s=100.0)
    admission.accepted(vendor, GOOD, NOW)
    admission.accepted(vendor, GOOD, NOW + 90)
    assert admission.admits(vendor, GOOD, NOW + 189)


def test_a_refused_one_is_let_in_no_more(admission, admission_of, known):
    vendor = known()
    admission.accepted(vendor, GOOD, NOW)
    admission.accepted(vendor, BAD, NOW)
    admission.refused(vendor, BAD)
    for one in (admission, admission_of()):
        assert not one.admits(vendor, BAD, NOW + 1)
        assert one.admits(vendor, GOOD, NOW + 1)


def test_a_sight_from_a_time_that_the_clock_left_does_not_count(admission, admission_of, known):
    admission.accepted(known(), GOOD, NOW + 5000)
    assert not admission_of().admits(known(), GOOD, NOW)


@pytest.mark.parametrize(
    "credential",
    [
        Credential((("apiKey", "listed-key"),)),
        Credential(headers=(("X-Key", "listed-key"),)),
        Credential((("apiKey", "own-secret"),)),
        Credential((("apiKey", "gold-client"),)),
    ],
)
def test_listed_ones_and_holdovers_own_need_not_be_seen(admission, known, credential):
    plan = {"credentials": [digest("gold-client")], "env": "GOLD"}
    vendor = known(known=[digest("listed-key")], classes={"gold": plan})
    assert admission.admits(vendor, credential, NOW)
    assert not admission.admits(vendor, BAD, NOW)


def test_who_is_listed_no_more_is_let_in_no_more(admission, known):
    listed = Credential((("apiKey", "listed-key"),))
    assert admission.admits(known(known=[digest("listed-key")]), listed, NOW)
    admission.forget()
    assert not admission.admits(known(), listed, NOW)


def test_nobody_is_never_accepted(admission, known):
    admission.accepted(known(), NOBODY, NOW)
    assert not admission.admits(known(), NOBODY, NOW)


def test_a_ledger_that_does_not_answer_lets_in_only_who_is_remembered(admission, known):
    vendor = known()
    admission.accepted(vendor, GOOD, NOW)
    admission.ledger.close()
    assert admission.admits(vendor, GOOD, NOW + 1)
    assert not admission.admits(vendor, BAD, NOW + 1)
    admission.accepted(vendor, BAD, NOW + 1)
    assert admission.admits(vendor, BAD, NOW + 2)
    admission.refused(vendor, BAD)
    assert not admission.admits(vendor, BAD, NOW + 3)


def test_what_is_remembered_is_bounded_and_the_rest_is_found_again(admission, known, monkeypatch):
    monkeypatch.setattr(module, "MAX_REMEMBERED", 10)
    vendor = known()
    clients = [Credential((("apiKey", f"key-{number}"),)) for number in range(25)]
    for client in clients:
        admission.accepted(vendor, client, NOW)
        assert len(admission._good_until) <= 10
    assert all(admission.admits(vendor, client, NOW + 1) for client in clients)


def test_no_credential_shows_or_is_written(admission, known, folder):
    admission.accepted(known(), Credential((("apiKey", "clients-secret"),)), NOW)
    assert "clients-secret" not in repr(admission)
    found = [path for path in folder.rglob("*") if path.is_file() and b"clients-secret" in path.read_bytes()]
    assert found == []


# No crossings: what may be shared is decided by the key alone.

TARGETS = [f"/v4/sports/{sport}/odds?regions={region}" for sport in ("epl", "nba") for region in ("us", "us,uk")]
PLACES = ["query", "also in the query", "header"]


def asking(target: str, key: str, place: str, *fields: tuple[str, str]) -> Request:
    """A request that carries `key` in one of the places where clients may put it."""
    match place:
        case "query":
            target = f"{target}&apiKey={key}"
        case "also in the query":
            target = f"{target}&API_KEY={key}"
        case "header":
            fields = (("x-api-key", key), *fields)
    return Request("GET", "api.vendor.test", target, fields)


def planned(rules: Rules, request: Request, salt: bytes = b"installation") -> Cacheable:
    found = plan(request, rules, salt)
    assert isinstance(found, Cacheable), found
    return found


def keys_by(rules: Rules, requests: dict[str, list[Request]]) -> dict[str, set[str]]:
    """Keys by who asks."""
    return {who: {planned(rules, request).canonical.key for request in asked} for who, asked in requests.items()}


def crossings(keys: dict[str, set[str]]) -> list[str]:
    """Keys that two of them share."""
    owners = defaultdict(set)
    for who, own in keys.items():
        for key in own:
            owners[key].add(who)
    return [key for key, who in owners.items() if len(who) > 1]


def tenants(count: int) -> list[str]:
    """Names of tenants that a careless key would mix up: prefixes of one another, case, separators."""
    choice = random.Random(7)
    letters = "aA0.-_~"
    names: set[str] = set()
    while len(names) < count:
        names.add("".join(choice.choice(letters) for _ in range(choice.randint(1, 5))))
    return sorted(names)


def test_two_hundred_tenants_never_share_a_key_and_each_has_one_per_request(provider_of):
    credential = {"query": "apiKey", "also": ["api_key", "X-Api-Key"]}
    rules = Rules([provider_of(clients="own", credential=credential)])
    names = tenants(200)
    keys = keys_by(rules, {name: [asking(t, name, p) for t in TARGETS for p in PLACES] for name in names})
    assert crossings(keys) == []
    assert {len(own) for own in keys.values()} == {len(TARGETS)}, "wherever a tenant puts its key it is itself"
    nobody = {planned(rules, Request("GET", "api.vendor.test", target)).canonical.key for target in TARGETS}
    assert crossings({**keys, "nobody": nobody}) == []
    assert all(
        name not in repr(planned(rules, asking(TARGETS[0], name * 9, "query")).canonical) for name in names[:9]
    )


def test_tenants_of_two_installations_have_other_keys(provider_of):
    rules = Rules([provider_of(clients="own", credential={"query": "apiKey"})])
    one, other = (planned(rules, asking(TARGETS[0], "k", "query"), salt).canonical for salt in (b"one", b"other"))
    assert one.partition != other.partition


@pytest.mark.parametrize("how", [{"clients": "own"}, {"clients": "known", "env": "KEY"}, {"borrow": True}])
def test_who_sends_two_credentials_goes_past_the_cache(provider_of, how):
    """Which of them counts is the provider's affair."""
    named = {name: value for name, value in how.items() if name != "clients"}
    credential = {"query": "apiKey", "also": ["api_key", "X-Api-Key"], **named}
    rules = Rules([provider_of(clients=how.get("clients", "open"), credential=credential)])
    for place in PLACES:
        for other in ("a", "b"):
            found = plan(asking(asking(TARGETS[0], "a", "query").target, other, place), rules, b"installation")
            assert isinstance(found, Bypass)
            assert found.reason == "more than one credential"


def test_an_application_key_beside_a_session_is_not_a_second_credential(provider_of):
    credential = {"borrow": True, "header": "X-Session", "class_from": "X-Application"}
    rules = Rules([provider_of(credential=credential)])
    session, app = ("X-Session", "s"), ("X-Application", "a")
    for fields, good in (((session, app), True), ((session, session), False), ((app, session, app), False)):
        found = plan(Request("GET", "api.vendor.test", TARGETS[0], fields), rules, b"installation")
        assert isinstance(found, Cacheable) is good


@pytest.mark.parametrize("fields", [(), (("X-Application", "a"),)])
def test_an_application_key_in_the_query_tells_no_class(provider_of, fields):
    """Where it counts, if it does, is the provider's affair; it would be taken out of the key as a credential is."""
    credential = {"borrow": True, "header": "X-Session", "class_from": "X-Application"}
    rules = Rules([provider_of(credential=credential)])
    request = Request("GET", "api.vendor.test", f"{TARGETS[0]}&x-application=a", (("X-Session", "s"), *fields))
    found = plan(request, rules, b"installation")
    assert isinstance(found, Bypass)
    assert found.reason == "what tells the class stands in the query"


def test_clients_of_two_hundred_plans_share_with_their_plan_alone(provider_of):
    plans = [f"plan-{number}" for number in range(200)]
    listed = {name: [f"{name}.client-{n}" for n in range(2)] for name in plans}
    classes = {name: {"credentials": [digest(c) for c in clients], "env": "X"} for name, clients in listed.items()}
    credential = {"env": "KEY", "query": "apiKey", "also": ["api_key", "X-Api-Key"]}
    rules = Rules([provider_of(clients="known", credential=credential, classes=classes)])
    listed["everybody else"] = ["unlisted-1", "unlisted-2"]
    asked = {
        name: [asking(target, client, place) for client in clients for target in TARGETS for place in PLACES]
        for name, clients in listed.items()
    }
    keys = keys_by(rules, asked)
    assert crossings(keys) == []
    assert {len(own) for own in keys.values()} == {len(TARGETS)}
    assert {planned(rules, asked[name][0]).canonical.partition for name in plans} == set(plans)


def test_application_keys_share_with_the_same_application_alone(provider_of):
    credential = {"borrow": True, "header": "X-Session", "class_from": "X-Application"}
    rules = Rules([provider_of(clients="known", credential=credential)])
    asked = {
        name: [
            Request("GET", "api.vendor.test", target, (("x-session", session), ("X-APPLICATION", name)))
            for target in TARGETS
            for session in ("session-1", "session-2")
        ]
        for name in tenants(200)
    }
    asked["none"] = [Request("GET", "api.vendor.test", target, (("X-Session", "session-1"),)) for target in TARGETS]
    keys = keys_by(rules, asked)
    assert crossings(keys) == []
    assert {len(own) for own in keys.values()} == {len(TARGETS)}


def test_a_plan_and_an_application_key_part_both(provider_of):
    credential = {"borrow": True, "header": "X-Session", "class_from": "X-Application"}
    gold = {"credentials": [digest("gold-session\napp")], "env": "X"}
    rules = Rules([provider_of(clients="known", credential=credential, classes={"gold": gold})])
    partitions = {
        planned(
            rules, Request("GET", "api.vendor.test", TARGETS[0], (("X-Session", session), ("X-Application", app)))
        ).canonical.partition
        for session in ("gold-session", "other-session")
        for app in ("app", "app2")
    }
    assert len(partitions) == 3
    assert len([part for part in partitions if part.startswith("gold.")]) == 1
