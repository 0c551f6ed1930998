"""The accounts of a process, and what of them outlives it."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdover import books as module
from holdover import tally as tallies
from holdover.books import Books
from holdover.credential import NOBODY, Credential
from holdover.exchange import Response
from holdover.metrics import Metrics
from holdover.rules import Rules
from holdover.store.balance import Balance
from holdover.store.ledger import Usage, utc_day
from holdover.tally import Tally

NOW = 1_795_435_200.0  # 2026-11-23T12:00:00Z
QUOTA = {"remaining": "x-left", "used": "x-used", "resets": "monthly"}
PLANS = {name: {"credentials": ["0" * 64], "env": name.upper()} for name in ("gold", "silver")}
OWN = {"credential": {"env": "KEY", "query": "apiKey"}, "quota": QUOTA, "classes": PLANS}
LENT = {"credential": {"borrow": True, "query": "apiKey"}, "quota": QUOTA}
TENANTS = {"credential": {"query": "apiKey"}, "clients": "own", "quota": QUOTA}
ONE, OTHER = (Credential((("apiKey", key),)) for key in ("key-one", "key-other"))


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def books_of(open_ledger, metrics):
    """Makes books, as another process would have them when asked again."""
    pool = ThreadPoolExecutor(1)
    yield lambda: Books(open_ledger(), pool, metrics.runtime)
    pool.shutdown()


@pytest.fixture
def books(books_of):
    return books_of()


def told(account, left, used):
    account.told((("x-left", str(left)), ("x-used", str(used))), NOW)


async def test_an_account_is_one_per_provider_and_partition(books, provider_of):
    vendor, other = provider_of(**OWN), provider_of(name="other", **OWN)
    accounts = [await books.account(p, part) for p in (vendor, other) for part in ("", "gold")]
    assert len({id(account) for account in accounts}) == 4
    assert await books.account(vendor) is accounts[0]
    together = await asyncio.gather(*(books.account(vendor, "new") for _ in range(20)))
    assert len({id(account) for account in together}) == 1


async def test_a_restart_goes_on_where_the_last_process_stopped(books, books_of, provider_of):
    vendor = provider_of(**OWN)
    account, tenant = await books.account(vendor), await books.account(vendor, "gold")
    told(account, -3, 503)
    account.spent(6.0, NOW)
    tenant.refused("credential", Response(401), NOW)
    await books.keep(NOW)
    again = books_of()
    found, gold = await again.account(vendor), await again.account(vendor, "gold")
    assert (found.balance, gold.balance) == (account.balance, tenant.balance)
    assert found.balance.period_spent == 6.0
    assert found.suspended(NOW + 60, 1.0) == "the quota is used up"
    assert gold.balance.dead
    assert not found.changed
    assert (await again.account(vendor, "silver")).balance == Balance(None, None, 0.0)


async def test_processes_that_call_at_the_same_time_count_together(books_of, provider_of):
    vendor = provider_of(credential=OWN["credential"], quota={"limit": 10.0, "resets": "monthly"})
    one, other = books_of(), books_of()
    mine, yours = await one.account(vendor), await other.account(vendor)
    mine.spent(4.0, NOW)
    yours.spent(3.0, NOW)
    for books in (one, other, one, other):
        await books.keep(NOW)
    assert (yours.balance.period_spent, yours.remaining(NOW)) == (7.0, 3.0)
    mine.spent(1.0, NOW)
    await one.keep(NOW)
    assert mine.remaining(NOW) == 2.0
    assert (await books_of().account(vendor)).balance.period_spent == 8.0


async def test_what_could_not_be_written_is_counted_once(books, books_of, open_ledger, provider_of):
    vendor = provider_of(credential=OWN["credential"], quota={"limit": 100.0, "resets": "monthly"})
    account = await books.account(vendor)
    good, books.ledger = books.ledger, open_ledger()
    books.ledger.close()
    for _ in range(2):
        account.spent(2.0, NOW)
        await books.keep(NOW)
    books.ledger = good
    account.spent(1.0, NOW)
    await books.keep(NOW)
    await books.keep(NOW)
    assert (await books_of().account(vendor)).balance.period_spent == 5.0


async def test_what_a_period_took_that_is_over_is_not_counted_in_the_next(books, open_ledger, books_of, provider_of):
    vendor = provider_of(credential=OWN["credential"], quota={"limit": 100.0, "resets": "monthly"})
    account, december = await books.account(vendor), NOW + 10 * 86_400
    good, books.ledger = books.ledger, open_ledger()
    books.ledger.close()
    account.spent(5.0, NOW)
    await books.keep(NOW)
    other = books_of()
    (await other.account(vendor)).spent(2.0, december)
    await other.keep(december)
    account.spent(1.0, december)
    await books.keep(december)
    books.ledger = good
    await books.keep(december)
    assert (await books_of().account(vendor)).balance.period_spent == 3.0


async def test_a_call_under_way_settles_on_the_account_that_others_read_anew(books, books_of, provider_of):
    vendor = provider_of(**OWN)
    account = await books.account(vendor)
    account.pause_until = NOW + 60
    elsewhere = books_of()
    (await elsewhere.account(vendor)).spent(4.0, NOW)
    await elsewhere.keep(NOW)
    books.release()
    account.spent(6.0, NOW)
    again = await books.account(vendor)
    assert again is account
    assert (again.balance.period_spent, again.pause_until) == (10.0, NOW + 60)
    await books.keep(NOW)
    assert (await books_of().account(vendor)).balance.period_spent == 10.0


async def test_a_stop_loses_nothing_that_waits_to_be_written(books, open_ledger, provider_of):
    account = await books.account(provider_of(**OWN))
    account.spent(6.0, NOW)
    books.tally.spent("vendor", "odds", "", 6.0)
    other_work = threading.Event()
    books.disk.submit(other_work.wait)
    keeping = asyncio.create_task(books.keep(NOW))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    other_work.set()
    await books.keep(NOW)
    written = open_ledger()
    assert [row.spent for row in written.usage()] == [6.0]
    assert written.balance("vendor", "").period_spent == 6.0


async def test_what_did_not_change_is_not_written(books, open_ledger, provider_of):
    vendor = provider_of(**OWN)
    account = await books.account(vendor)
    await books.keep(NOW)
    reader = open_ledger()
    assert reader.balances("vendor") == {}
    told(account, 9, 1)
    await books.keep(NOW)
    assert reader.balances("vendor") == {"": account.balance}
    open_ledger().tell("vendor", "", Balance(1.0, 2.0, NOW))
    await books.keep(NOW + 1)
    assert reader.balance("vendor", "") == Balance(1.0, 2.0, NOW), "another process may know better"


async def test_sums_are_written_once(books, open_ledger):
    books.tally.spent("vendor", "odds", "desk", 6.0)
    books.tally.saved("vendor", "odds", "desk", 12.0)
    for _ in range(3):
        await books.keep(NOW)
    books.tally.spent("vendor", "odds", "", 1.0)
    await books.keep(NOW)
    rows = {row.client: (row.spent, row.calls, row.saved, row.requests) for row in open_ledger().usage()}
    assert rows == {"desk": (6.0, 1, 12.0, 1), "": (1.0, 1, 0.0, 0)}
    assert {row.day for row in open_ledger().usage()} == {utc_day(NOW)}


async def test_a_ledger_that_cannot_be_written_loses_nothing(books, books_of, open_ledger, metrics, provider_of):
    vendor = provider_of(**OWN)
    account = await books.account(vendor)
    told(account, 9, 1)
    books.tally.spent("vendor", "odds", "desk", 6.0)
    broken, books.ledger = books.ledger, open_ledger()
    books.ledger.close()
    await books.keep(NOW)
    value = metrics.registry.get_sample_value
    assert value("holdover_degraded", {"dependency": "ledger"}) == 1
    books.tally.spent("vendor", "odds", "desk", 1.0)
    books.tally.saved("vendor", "odds", "desk", 2.0)
    books.ledger = broken
    await books.keep(NOW)
    assert value("holdover_degraded", {"dependency": "ledger"}) == 0
    [row] = open_ledger().usage()
    assert (row.spent, row.calls, row.saved, row.requests) == (7.0, 2, 2.0, 1)
    assert (await books_of().account(vendor)).balance == account.balance


async def test_a_ledger_that_cannot_be_read_leaves_the_account_unknown(books, provider_of):
    books.ledger.close()
    account = await books.account(provider_of(**OWN))
    assert account.balance == Balance(None, None, 0.0)
    assert account.suspended(time.time(), 1.0) is None


def test_own_credential_goes_before_what_clients_send(books, provider_of):
    vendor = provider_of(**OWN)
    own = Credential((("apiKey", "own-secret"),))
    assert books.credential(vendor, "", NOBODY) == own
    assert books.credential(vendor, "", ONE) == own
    books.accepted(vendor, "", ONE)
    assert books._borrowed == {}


def test_a_plan_is_called_with_its_own_credential_and_an_unknown_one_with_the_clients(books, provider_of):
    vendor = provider_of(**OWN)
    assert books.credential(vendor, "gold", ONE) == Credential((("apiKey", "gold-secret"),))
    assert books.credential(vendor, "bronze", NOBODY) is None
    assert books.credential(vendor, "bronze", ONE) == ONE


def test_a_provider_that_asks_for_none_is_called_without(books, provider_of):
    assert books.credential(provider_of(), "", NOBODY) == NOBODY


@pytest.mark.parametrize("settings", [LENT, TENANTS])
def test_a_refresh_is_made_with_the_last_credential_that_was_accepted(books, provider_of, settings):
    vendor = provider_of(**settings)
    assert books.credential(vendor, "a", NOBODY) is None
    assert books.credential(vendor, "a", ONE) == ONE
    assert books.credential(vendor, "a", NOBODY) is None, "it was not accepted yet"
    books.accepted(vendor, "a", ONE)
    assert books.credential(vendor, "a", NOBODY) == ONE
    assert books.credential(vendor, "a", OTHER) == OTHER
    assert books.credential(vendor, "b", NOBODY) is None, "one tenant's is never used for another"
    books.accepted(vendor, "a", OTHER)
    assert books.credential(vendor, "a", NOBODY) == OTHER


def test_a_lent_credential_that_is_refused_is_lent_no_more(books, provider_of):
    vendor = provider_of(**LENT)
    books.accepted(vendor, "", ONE)
    books.refused(vendor, "", OTHER)
    assert books.credential(vendor, "", NOBODY) == ONE
    books.refused(vendor, "", ONE)
    assert books.credential(vendor, "", NOBODY) is None


async def test_lent_credentials_share_an_account_that_one_of_them_does_not_kill(books, provider_of):
    lent, own = await books.account(provider_of(**LENT)), await books.account(provider_of(name="own", **OWN))
    tenant = await books.account(provider_of(name="tenants", **TENANTS), "a")
    for account in (lent, own, tenant):
        account.refused("credential", Response(401), NOW)
    assert [account.balance.dead for account in (lent, own, tenant)] == [False, True, True]


def test_nothing_of_a_lent_credential_shows_or_is_written(books, provider_of, folder):
    books.accepted(provider_of(**LENT), "", Credential((("apiKey", "lent-secret"),)))
    assert "lent-secret" not in repr(books)
    assert not any(b"lent-secret" in path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_changed_configuration_forgets_what_belongs_to_the_old_one(books, provider_of):
    lent, other = provider_of(**LENT), provider_of(name="other", **LENT)
    for provider in (lent, other):
        (await books.account(provider)).pause_until = NOW
        books.accepted(provider, "", ONE)
    changed = provider_of(**LENT, limits={"rate_per_s": 2})
    books.use(Rules([changed, other]))
    found, kept = await books.account(changed), await books.account(other)
    assert (found.pause_until, found.rate.rate) == (0.0, 2.0)
    assert kept.pause_until == NOW
    assert books.credential(changed, "", NOBODY) is None
    assert books.credential(other, "", NOBODY) == ONE


async def test_a_call_of_the_old_configuration_brings_back_nothing_of_it(books, provider_of):
    old, new = provider_of(**OWN, limits={"rate_per_s": 30}), provider_of(**OWN, limits={"rate_per_s": 2})
    under_way = await books.account(old)
    books.use(Rules([new]))
    await books.account(old)
    assert await books.account(new) is under_way, "it settles where it counts"
    assert under_way.rate.rate == 2.0
    assert (await books.account(old, "gold")).rate.rate == 2.0
    books.use(Rules([]))
    books.use(Rules([old]))
    assert (await books.account(old)).rate.rate == 30.0


async def test_tenants_are_bounded_and_come_back_from_the_ledger(books, provider_of, monkeypatch):
    monkeypatch.setattr(module, "MAX_ACCOUNTS", 5)
    tenants = provider_of(**TENANTS)
    for number in range(20):
        account = await books.account(tenants, f"tenant-{number}")
        books.accepted(tenants, f"tenant-{number}", ONE)
        told(account, number, 1)
        await books.keep(NOW)
    assert (len(books._accounts), len(books._borrowed)) == (5, 5)
    assert (await books.account(tenants, "tenant-3")).remaining(NOW) == 3


async def test_what_many_accounts_tell_is_written_together(books, open_ledger, provider_of, monkeypatch):
    monkeypatch.setattr(module, "TOLD_AT_ONCE", 4)
    tenants, written, tell_all = provider_of(**TENANTS), list[int](), books.ledger.tell_all

    def tells(rows, now):
        written.append(len(rows))
        return tell_all(rows, now)

    monkeypatch.setattr(books.ledger, "tell_all", tells)
    for number in range(10):
        told(await books.account(tenants, f"tenant-{number}"), number, 1)
    await books.keep(NOW)
    assert written == [4, 4, 2]
    assert {name: each.remaining for name, each in open_ledger().balances("vendor").items()} == {
        f"tenant-{number}": number for number in range(10)
    }


async def test_tenants_that_the_ledger_does_not_keep_up_with_are_bounded(books, provider_of, monkeypatch):
    monkeypatch.setattr(module, "MAX_ACCOUNTS", 5)
    tenants = provider_of(**TENANTS)
    for number in range(20):
        told(await books.account(tenants, f"tenant-{number}"), number, 1)
    assert (len(books._accounts), len(books._unwritten)) == (5, 5)
    await books.keep(NOW)
    assert not books._unwritten


def test_a_tally_that_cannot_be_written_is_bounded(monkeypatch):
    """Clients are addresses, of which who has a network of IPv6 has no end."""
    monkeypatch.setattr(tallies, "MAX_SUMS", 3)
    tally = Tally()
    for number in range(10):
        tally.spent("v", "odds", f"client-{number}", 1.0)
        tally.saved("v", "odds", "client-0", 1.0)
        tally.put_back(tally.take())
    tally.spent("v", "odds", "", 2.0)
    assert {row.client: row.spent for row in tally.take()} == {
        "client-0": 1.0,
        "client-1": 1.0,
        "client-2": 1.0,
        "_other": 7.0,
        "": 2.0,
    }


def test_a_tally_adds_up_and_begins_anew():
    tally = Tally()
    tally.spent("v", "odds", "a", 1.5)
    tally.spent("v", "odds", "a", 2.0)
    tally.saved("v", "odds", "a", 6.0)
    tally.saved("v", "scores", "", 1.0)
    rows = tally.take()
    assert sorted(rows, key=lambda row: row.route) == [
        Usage("v", "odds", "a", 3.5, 2, 6.0, 1),
        Usage("v", "scores", "", 0.0, 0, 1.0, 1),
    ]
    assert tally.take() == []
    tally.spent("v", "odds", "a", 1.0)
    tally.put_back(rows)
    assert Usage("v", "odds", "a", 4.5, 3, 6.0, 1) in tally.take()


async def test_what_a_changed_configuration_makes_forgotten_is_written_all_the_same(books, books_of, provider_of):
    vendor = provider_of(**OWN)
    account = await books.account(vendor)
    told(account, -3, 503)
    books.use(Rules([provider_of(**OWN, limits={"rate_per_s": 2})]))
    assert (await books.account(vendor)).balance.remaining == -3
    await books.keep(NOW)
    assert (await books_of().account(vendor)).balance == account.balance


async def test_what_is_not_written_for_a_while_is_not_forgotten(books, books_of, open_ledger, provider_of):
    vendor = provider_of(**OWN)
    account = await books.account(vendor)
    told(account, -3, 503)
    broken, books.ledger = books.ledger, open_ledger()
    books.ledger.close()
    await books.keep(NOW)
    books.release()
    books.ledger = broken
    assert (await books.account(vendor)).balance == account.balance
    await books.keep(NOW)
    assert (await books_of().account(vendor)).balance == account.balance
    await books.keep(NOW)
    assert not books._unwritten
