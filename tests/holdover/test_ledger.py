"""What outlives a restart: sums, balances, credentials, facts; from several processes, through kills."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from holdover.store import database as database_module
from holdover.store import ledger as module
from holdover.store.balance import Balance
from holdover.store.base import StoreError
from holdover.store.ledger import OTHER, Ledger, Usage, utc_day

NOW = 1_795_435_200.0  # 2026-11-23T12:00:00Z
DAY = "2026-11-23"
DAY_S = 86_400

HEAD = (
    "import sys; from pathlib import Path; from holdover.store.ledger import *; ledger = Ledger(Path(sys.argv[1]))\n"
)
WRITE_FOR_EVER = "n = 0\nwhile True:\n    ledger.spend('vendor', 'odds', sys.argv[2], 1.0, 1, 1795435200.0)\n"
WRITE_FOR_EVER += "    n += 1; print(n, flush=True)"


@pytest.fixture
def open_ledger(folder):
    """Opens the ledger once more, as another process would; all are closed at the end."""
    opened: list[Ledger] = []

    def build(**options):
        opened.append(Ledger(folder, **options))
        return opened[-1]

    yield build
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_ledger):
    return open_ledger()


def run(folder: Path, program: str, *arguments: str) -> subprocess.Popen[str]:
    """Another process with a `ledger` of its own."""
    command = [sys.executable, "-c", HEAD + program, str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def spent(ledger: Ledger) -> float:
    return sum(row.spent for row in ledger.usage())


def test_spent_and_saved_add_up_by_day_provider_client_and_route(ledger, open_ledger):
    ledger.spend("vendor", "odds", "", 6.0, 1, NOW)
    ledger.spend("vendor", "odds", "", 1.5, 2, NOW + 1)
    ledger.saved("vendor", "odds", "desk", 12.0, 2, NOW)
    rows = [Usage("vendor", "odds", "desk", 3.0, 1, 4.0, 5), Usage("vendor", "scores", "desk", 2.0, 1)]
    ledger.record([*rows, rows[1], Usage("other", "odds", "desk", 1.0, 1)], NOW + DAY_S)
    whole = [
        (DAY, "vendor", "odds", "", 7.5, 3, 0.0, 0),
        (DAY, "vendor", "odds", "desk", 0.0, 0, 12.0, 2),
        ("2026-11-24", "other", "odds", "desk", 1.0, 1, 0.0, 0),
        ("2026-11-24", "vendor", "odds", "desk", 3.0, 1, 4.0, 5),
        ("2026-11-24", "vendor", "scores", "desk", 4.0, 2, 0.0, 0),
    ]
    reader = open_ledger()
    assert [tuple(getattr(row, name) for name in row.__slots__) for row in reader.usage()] == whole
    assert len(reader.usage("2026-11-24")) == 3
    assert len(reader.usage("2026-11-24", "vendor")) == 2
    assert len(reader.usage(provider="vendor")) == 4
    assert reader.usage("2026-11-25") == []


def test_a_day_is_that_of_utc():
    assert utc_day(NOW - NOW % DAY_S) == DAY
    assert utc_day(NOW - NOW % DAY_S - 0.001) == "2026-11-22"


def test_when_it_began_is_when_something_was_first_recorded(ledger, open_ledger):
    assert ledger.begun() is None
    ledger.record([], NOW - 5)
    assert ledger.begun() is None
    ledger.spend("vendor", "odds", "", 1.0, 1, NOW)
    ledger.spend("vendor", "odds", "", 1.0, 1, NOW + DAY_S)
    assert open_ledger().begun() == NOW


def test_old_days_go(ledger):
    for age in (401, 400, 399):
        ledger.spend("vendor", "odds", "", age, 1, NOW - age * DAY_S)
    ledger.spend("vendor", "odds", "", 1.0, 1, NOW)
    assert [row.spent for row in ledger.usage()] == [400, 399, 1]
    ledger.spend("vendor", "odds", "", 1.0, 1, NOW + DAY_S)
    assert [row.spent for row in ledger.usage()] == [399, 1, 1]


def test_clients_beyond_the_most_count_together(ledger, open_ledger, monkeypatch):
    monkeypatch.setattr(module, "MAX_CLIENTS", 3)
    ledger.record([Usage("vendor", "odds", f"c{n}", 1.0, 1) for n in range(2)], NOW)
    more = [Usage("vendor", "odds", ""), Usage("vendor", "odds", OTHER)]
    more += [Usage("vendor", route, f"c{n}", 1.0, 1) for n in range(2, 6) for route in ("odds", "scores")]
    open_ledger().record([*more, Usage("second", "odds", "c9", 1.0, 1)], NOW)
    ledger.record([Usage("vendor", "scores", "c1", 1.0, 1), Usage("vendor", "odds", "c9", 1.0, 1)], NOW)
    ledger.record([Usage("vendor", "odds", "c9", 1.0, 1)], NOW + DAY_S)
    calls = {(row.client, row.route): row.calls for row in ledger.usage(provider="vendor") if row.day == DAY}
    assert calls == {
        ("", "odds"): 0,
        (OTHER, "odds"): 4,
        (OTHER, "scores"): 3,
        **{(f"c{n}", "odds"): 1 for n in range(3)},
        **{(f"c{n}", "scores"): 1 for n in (1, 2)},
    }
    assert [row.client for row in ledger.usage("2026-11-24")] == ["c9"]
    assert [row.client for row in ledger.usage(provider="second")] == ["c9"]


def test_figures_that_are_no_numbers_and_names_that_are_no_text_lose_nothing_else(ledger):
    rows = [Usage("vendor", "odds", "a", float("nan"), 1, float("inf"), 1), Usage("vendor", "odds", "a", 2.0, 1)]
    ledger.record([*rows, Usage("vendor", "odds", "b\udcff", 3.0, 1)], NOW)
    assert [(row.client, row.spent, row.calls, row.saved) for row in ledger.usage()] == [
        ("a", 2.0, 2, 0.0),
        ("b?", 3.0, 1, 0.0),
    ]


@pytest.mark.parametrize(
    "balance",
    [
        Balance(94.0, 6.0, NOW),
        Balance(-5.0, 505.0, NOW, 17.5, "2026-11", NOW + 60, True),
        Balance(None, None, NOW, 3.0, "2026-11-23"),
        Balance(0.0, None, NOW, frozen_until=float("inf")),
    ],
)
def test_a_balance_is_as_it_was_told(ledger, open_ledger, balance):
    assert ledger.balance("vendor", "") is None
    ledger.tell("vendor", "", Balance(1.0, 1.0, 1.0, 1.0, "x", 1.0, True))
    ledger.tell("vendor", "", balance)
    ledger.tell("vendor", "gold", Balance(7.0, None, NOW))
    reader = open_ledger()
    assert reader.balance("vendor", "") == balance
    assert reader.balance("other", "") is None
    assert type(reader.balance("vendor", "").dead) is bool
    assert reader.balances("vendor") == {"": balance, "gold": Balance(7.0, None, NOW)}


def test_figures_of_a_balance_that_are_no_numbers_were_not_told(ledger):
    for odd, other in ((float("nan"), float("inf")), (float("-inf"), float("nan"))):
        ledger.tell("vendor", "", Balance(odd, other, NOW, odd))
        assert ledger.balance("vendor", "") == Balance(None, None, NOW)


def counted(spent: float, period: str = "2026-11") -> Balance:
    """Of a provider that tells nothing."""
    return Balance(None, None, 0.0, spent, period)


def test_what_two_processes_spent_at_the_same_time_adds_up(ledger, open_ledger):
    other = open_ledger()
    assert ledger.tell("vendor", "", counted(5.0), 5.0) == counted(5.0)
    assert other.tell("vendor", "", counted(3.0), 3.0) == counted(8.0)
    assert ledger.tell("vendor", "", counted(7.0), 2.0) == counted(10.0)
    assert other.tell("vendor", "", counted(8.0), 0.0) == counted(10.0)
    assert ledger.balance("vendor", "") == counted(10.0)


def test_several_processes_that_count_for_themselves_lose_no_credit(folder, ledger):
    program = (
        "for n in range(1, 101):\n    ledger.tell('vendor', '', Balance(None, None, 0.0, 2.0 * n, '2026-11'), 2.0)"
    )
    processes = [run(folder, program) for _ in range(3)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert ledger.balance("vendor", "") == counted(600.0)


def test_a_count_that_adds_replaces_all_else_that_was_told(ledger):
    ledger.tell("vendor", "", Balance(9.0, 1.0, NOW, 4.0, "2026-11", NOW + 60, True))
    told = Balance(7.0, None, NOW + 1, 6.0, "2026-11")
    assert ledger.tell("vendor", "", told, 2.0) == ledger.balance("vendor", "") == told


def test_the_count_begins_anew_with_the_period(ledger, open_ledger):
    ledger.tell("vendor", "", counted(90.0), 90.0)
    assert open_ledger().tell("vendor", "", counted(3.0, "2026-12"), 3.0) == counted(3.0, "2026-12")
    assert open_ledger().tell("vendor", "", counted(4.0, "2026-12-01"), 4.0) == counted(4.0, "2026-12-01")
    assert open_ledger().tell("vendor", "", counted(5.0, "ever"), 5.0) == counted(5.0, "ever")
    assert open_ledger().tell("vendor", "", counted(6.0, "2026-12"), 6.0) == counted(6.0, "2026-12")


@pytest.mark.parametrize("late", [counted(92.0, "2026-11"), counted(0.0, "")])
def test_who_is_late_with_a_past_period_or_counted_nothing_leaves_the_count_alone(ledger, late):
    ledger.tell("vendor", "", counted(3.0, "2026-12"), 3.0)
    assert ledger.tell("vendor", "", late, late.period_spent) == counted(3.0, "2026-12")
    assert ledger.balance("vendor", "") == counted(3.0, "2026-12")


def test_a_ledger_that_was_lost_takes_the_whole_count_of_the_first_who_tells(ledger, open_ledger):
    assert ledger.tell("vendor", "", counted(40.0), 1.0) == counted(40.0)
    assert open_ledger().tell("vendor", "", counted(41.0), 1.0) == counted(41.0)


def test_without_what_was_spent_the_count_is_replaced(ledger):
    ledger.tell("vendor", "", counted(40.0), 40.0)
    assert ledger.tell("vendor", "", counted(7.0)) == counted(7.0) == ledger.balance("vendor", "")


def test_a_count_that_is_no_number_adds_nothing(ledger):
    ledger.tell("vendor", "", counted(40.0), 40.0)
    for odd in (float("nan"), float("inf")):
        assert ledger.tell("vendor", "", counted(40.0), odd) == counted(40.0)


def test_the_oldest_balances_go(ledger, monkeypatch):
    monkeypatch.setattr(module, "MAX_PARTITIONS", 2)
    for number, partition in enumerate("abc"):
        ledger.tell("vendor", partition, Balance(1.0, 1.0, NOW - number))
    ledger.tell("other", "z", Balance(1.0, 1.0, NOW))
    assert list(ledger.balances("vendor")) == ["a", "b"]
    assert list(ledger.balances("other")) == ["z"]


def test_credentials_seen_good(ledger, open_ledger):
    other = open_ledger()
    assert ledger.known_at("vendor", "f1") is None
    ledger.good("vendor", "f1", NOW)
    ledger.good("vendor", "f2", NOW)
    other.good("vendor", "f1", NOW + 5)
    assert ledger.known_at("vendor", "f1") == NOW + 5
    assert ledger.known_at("other", "f1") is None
    other.forget("vendor", "f1")
    other.forget("vendor", "never seen")
    assert ledger.known_at("vendor", "f1") is None
    assert ledger.known_at("vendor", "f2") == NOW


def test_the_credentials_seen_longest_ago_go(ledger, monkeypatch):
    monkeypatch.setattr(module, "MAX_CREDENTIALS", 3)
    for number, fingerprint in enumerate("abc"):
        ledger.good("vendor", fingerprint, NOW + number)
        ledger.good("other", fingerprint, NOW)
    ledger.good("vendor", "a", NOW + 10)
    ledger.good("vendor", "d", NOW + 11)
    assert [f for f in "abcd" if ledger.known_at("vendor", f) is not None] == ["a", "c", "d"]
    assert all(ledger.known_at("other", f) == NOW for f in "abc")


def test_facts(ledger, open_ledger):
    facts = {"us": ["draftkings", "fanduel"], "eu": [], "fussball-ä": {"state": "off", "equal": 3, "at": 1.5}}
    for name, value in facts.items():
        ledger.learn("vendor", "regions", name, None)
        ledger.learn("vendor", "regions", name, value)
    ledger.learn("vendor", "outrights", "us", True)
    assert open_ledger().learnt("vendor", "regions") == facts
    assert ledger.learnt("vendor", "outrights") == {"us": True}
    assert ledger.learnt("other", "regions") == {}
    for odd in (object(), float("nan")):
        with pytest.raises((TypeError, ValueError)):
            ledger.learn("vendor", "regions", "us", odd)
    assert ledger.learnt("vendor", "regions") == facts


def test_every_process_gets_the_same_salt(folder, open_ledger):
    processes = [run(folder, "print(ledger.salt().hex())") for _ in range(4)]
    salts = {process.communicate()[0].strip() for process in processes}
    assert len(salts) == 1
    assert [process.returncode for process in processes] == [0] * 4
    salt = bytes.fromhex(salts.pop())
    assert len(salt) == 32
    assert open_ledger().salt() == salt


def test_two_that_make_the_salt_at_the_same_time_agree(folder, open_ledger):
    ledgers = [open_ledger() for _ in range(3)]
    waiting = [threading.Event() for _ in ledgers]
    for ledger, event in zip(ledgers, waiting, strict=True):
        connection = ledger._database._connection
        connection.set_trace_callback(lambda sql, event=event: sql.startswith("BEGIN") and event.set())
    salts: list[bytes] = []
    threads = [threading.Thread(target=lambda ledger=ledger: salts.append(ledger.salt())) for ledger in ledgers]
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        for thread in threads:
            thread.start()
        assert all(event.wait(30) for event in waiting), "all found none and wait to write theirs"
        holder.execute("ROLLBACK")
    for thread in threads:
        thread.join()
    assert len(salts) == 3
    assert len(set(salts)) == 1


def test_two_installations_have_different_salts(tmp_path):
    with closing(Ledger(tmp_path / "a")) as one, closing(Ledger(tmp_path / "b")) as other:
        assert one.salt() != other.salt()


def test_several_processes_lose_no_sum(folder, ledger):
    program = (
        "for n in range(150):\n    ledger.record([Usage('vendor', 'odds', sys.argv[2], 1.0, 1, 2.0, 3)] * 2, "
        "1795435200.0)\n    ledger.good('vendor', sys.argv[2], n)"
    )
    processes = [run(folder, program, f"c{number % 2}") for number in range(3)]
    threads = [threading.Thread(target=ledger.spend, args=("vendor", "odds", "", 1.0, 1, NOW)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    rows = {row.client: (row.spent, row.calls, row.saved, row.requests) for row in ledger.usage()}
    assert rows == {"": (20, 20, 0, 0), "c0": (600, 600, 1200, 1800), "c1": (300, 300, 600, 900)}


def test_a_writer_killed_in_the_middle_of_writes_loses_nothing_that_it_was_told_is_kept(folder, ledger):
    survivor = run(folder, WRITE_FOR_EVER, "survivor")
    told = {}
    for number in range(5):
        victim = run(folder, WRITE_FOR_EVER, f"v{number}")
        assert victim.stdout is not None
        while int(victim.stdout.readline()) < 10 + number:
            pass
        victim.send_signal(signal.SIGKILL)
        rest = victim.communicate()[0].split()
        told[f"v{number}"] = int(rest[-1]) if rest else 10 + number
    survivor.kill()
    told["survivor"] = int(survivor.communicate()[0].split()[-1])
    kept = {row.client: row.calls for row in ledger.usage()}
    assert kept.keys() == told.keys()
    assert all(told[client] <= kept[client] <= told[client] + 1 for client in told), (told, kept)
    ledger.spend("vendor", "odds", "after", 1.0, 1, NOW)
    with closing(sqlite3.connect(folder / "ledger.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert not list(folder.glob("*damaged*"))


def test_a_process_killed_while_it_makes_the_file_stops_nobody(folder, open_ledger):
    folder.mkdir()
    (folder / "ledger.db").touch()
    (folder / "ledger.db-wal").write_bytes(b"\xa5" * 5000)
    ledger = open_ledger()
    ledger.spend("vendor", "odds", "", 1.0, 1, NOW)
    assert spent(open_ledger()) == 1


def test_a_lock_that_another_process_holds_is_a_sentence_and_then_nothing_was_recorded(
    folder, ledger, open_ledger, monkeypatch
):
    ledger.spend("vendor", "odds", "", 1.0, 1, NOW)
    monkeypatch.setattr(database_module, "LOCK_TIMEOUT_S", 0.05)
    impatient = open_ledger()
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            impatient.spend("vendor", "odds", "", 1.0, 1, NOW)
        assert str(caught.value) == f"{folder / 'ledger.db'} does not answer: database is locked"
        assert spent(impatient) == 1, "who only reads does not wait"
        holder.execute("ROLLBACK")
    impatient.spend("vendor", "odds", "", 1.0, 1, NOW)
    assert spent(ledger) == 2


def test_what_fails_half_way_leaves_nothing_and_no_lock(ledger, open_ledger):
    def fail(database: sqlite3.Connection) -> None:
        database.execute("INSERT INTO fact VALUES ('vendor', 'regions', 'us', '1')")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ledger._database.write(fail)
    other = open_ledger()
    other.good("vendor", "f", NOW)
    assert ledger.known_at("vendor", "f") == NOW
    assert ledger.learnt("vendor", "regions") == {}


def test_only_the_owner_can_read_it(folder):
    old = os.umask(0)
    try:
        with closing(Ledger(folder)) as ledger:
            ledger.salt()
            ledger.keep("vendor", "odds", {"a.json": b"[]"}, NOW)
            modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert modes.pop("counterexamples") == 0o700
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


def test_a_file_and_a_folder_that_others_may_read_are_closed_to_them(folder):
    Ledger(folder).close()
    (folder / "ledger.db").chmod(0o644)
    folder.chmod(0o755)
    Ledger(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "ledger.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("make", ["file", "link", "folder", "fifo"])
def test_what_is_no_plain_file_is_refused_with_a_sentence(folder, tmp_path, make):
    path = folder / "ledger.db"
    folder.mkdir()
    match make:
        case "file":
            folder.rmdir()
            folder.write_text("")
            reason = f"{path} cannot be used: File exists"
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
            reason = f"{path} cannot be used: Too many levels of symbolic links"
        case "folder":
            path.mkdir()
            reason = f"{path} cannot be used: not a plain file"
        case _:
            os.mkfifo(path)
            reason = f"{path} cannot be used: not a plain file"
    with pytest.raises(StoreError) as caught:
        Ledger(folder)
    assert str(caught.value) == reason
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that belongs to another user")
def test_a_folder_of_another_user_is_refused(folder):
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(StoreError) as caught:
        Ledger(folder)
    assert str(caught.value) == f"the folder {folder} belongs to another user; give holdover one of its own"


def test_after_close_it_is_a_sentence(folder):
    ledger = Ledger(folder)
    ledger.close()
    ledger.close()
    with pytest.raises(StoreError) as caught:
        ledger.usage()
    assert str(caught.value) == f"{folder / 'ledger.db'} was closed"


def test_counterexamples_are_kept_and_the_latest_stay(ledger, folder):
    kept = ledger.keep("vendor", "../odds é", {"wide.json": b"[1]", "../narrow.json": b"[2]"}, NOW + 0.25)
    assert kept == folder / "counterexamples" / "20261123T120000250000Z-vendor-.._odds__"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == {"wide.json": b"[1]", "_narrow.json": b"[2]"}
    (folder / "counterexamples" / "notes").write_text("people's own")
    for number in range(1, 25):
        ledger.keep("vendor", "odds", {"a": b""}, NOW + number)
    names = sorted(path.name for path in (folder / "counterexamples").iterdir())
    assert names.pop() == "notes"
    assert len(names) == 20
    assert names[0].startswith("20261123T120005")
    assert names[-1].startswith("20261123T120024")


def test_a_linked_folder_of_counterexamples_is_refused(ledger, folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "counterexamples").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError) as caught:
        ledger.keep("vendor", "odds", {"a": b""}, NOW)
    assert "is a symbolic link" in str(caught.value)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_of_what_the_provider_said_the_latest_stands_whoever_writes_last(tmp_path):
    """Frozen by one process; another, which has heard nothing of it, counts on and writes after it."""
    ledger = Ledger(tmp_path)
    ledger.tell("vendor", "", Balance(100, 0, 10, 5, "2026-11", None, decided_at=0), 5)
    ledger.tell("vendor", "", Balance(0, 100, 50, 5, "2026-11", 900.0, decided_at=50), 0)
    stands = ledger.tell("vendor", "", Balance(100, 0, 10, 7, "2026-11", None, decided_at=0), 2, 60)
    assert stands == ledger.balance("vendor", "") == Balance(0, 100, 50, 7, "2026-11", 900.0, decided_at=50)
    later = Balance(40, 60, 70, 8, "2026-11", None, decided_at=71)
    assert ledger.tell("vendor", "", later, 1, 80) == later
    ledger.close()


def test_what_was_said_before_a_clock_stepped_back_does_not_stand(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.tell("vendor", "", Balance(0, None, 5000, frozen_until=9000.0, dead=True, decided_at=5000), 0)
    told = Balance(50, None, 90, frozen_until=None, decided_at=95)
    assert ledger.tell("vendor", "", told, 0, 100) == told
    ledger.close()
