"""A ledger whose file is damaged, replaced, foreign or deleted while processes use it."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from holdover.store.base import StoreError
from holdover.store.ledger import Balance, Ledger

NOW = 1_795_435_200.0


def settle(folder: Path) -> None:
    """Moves everything from the write-ahead log into the database."""
    with closing(sqlite3.connect(folder / "ledger.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def garble(folder: Path) -> None:
    with (folder / "ledger.db").open("r+b") as file:
        file.write(b"\xa5" * 8192)


def garble_middle(folder: Path) -> None:
    size = (folder / "ledger.db").stat().st_size
    with (folder / "ledger.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def truncate_half(folder: Path) -> None:
    os.truncate(folder / "ledger.db", (folder / "ledger.db").stat().st_size // 2)


def truncate(folder: Path) -> None:
    os.truncate(folder / "ledger.db", 0)


def replace_with_garbage(folder: Path) -> None:
    (folder / "new").write_bytes(b"garbage" * 1000)
    (folder / "new").replace(folder / "ledger.db")


def replace_with_foreign(folder: Path) -> None:
    make_foreign(folder / "new")
    (folder / "new").replace(folder / "ledger.db")


def remove_file(folder: Path) -> None:
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (folder / name).unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    folder.rename(folder.with_name("gone"))


def make_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE usage (day TEXT)")
        database.commit()


DAMAGES = [garble, garble_middle, truncate_half, truncate, replace_with_garbage, replace_with_foreign]
DAMAGES += [remove_file, remove_folder]
LOUD = [garble, garble_middle, truncate_half, replace_with_garbage, replace_with_foreign]


def fill(ledger: Ledger) -> None:
    ledger.salt()
    for number in range(200):
        ledger.good("vendor", f"{number:064x}", NOW)
        ledger.spend("vendor", "odds", f"c{number}", 1.0, 1, NOW)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_after_damage_both_go_on_with_one_ledger(damage, folder):
    told: list[str] = []
    with closing(Ledger(folder, told.append)) as ledger, closing(Ledger(folder, told.append)) as other:
        fill(ledger)
        assert len(other.usage()) == 200
        settle(folder)
        damage(folder)
        for one in (ledger, other, ledger, other):
            with suppress(StoreError):  # nothing else may come out
                one.usage()
                one.good("vendor", "warm", NOW)
                one.balances("vendor")
        ledger.tell("vendor", "", Balance(7.0, 3.0, NOW))
        assert other.balance("vendor", "") == Balance(7.0, 3.0, NOW)
        before = sum(row.spent for row in other.usage())
        ledger.spend("vendor", "odds", "", 1.0, 1, NOW)
        assert sum(row.spent for row in other.usage()) == before + 1
        assert ledger.salt() == other.salt()
    assert len(told) == (damage in LOUD)
    aside = list(folder.glob("ledger.db-damaged-*"))
    assert len(aside) == len(told)
    for path in aside:
        assert (path / "ledger.db").is_file()
        assert path.stat().st_mode & 0o777 == 0o700
        assert told[0].startswith(f"{folder / 'ledger.db'} cannot be read (")
        assert told[0].endswith(f"); it was set aside as {path} and begun anew")


@pytest.mark.parametrize("damage", LOUD, ids=lambda damage: damage.__name__)
def test_damage_does_not_stop_the_start_and_is_logged(damage, folder, caplog):
    with closing(Ledger(folder)) as ledger:
        fill(ledger)
    settle(folder)
    damage(folder)
    with caplog.at_level(logging.ERROR), closing(Ledger(folder)) as ledger:
        ledger.usage()
        ledger.good("vendor", "f", NOW)
        assert ledger.known_at("vendor", "f") == NOW
    assert [record.name for record in caplog.records] == ["holdover.store"]


def test_a_foreign_database_is_moved_as_it_was(folder):
    folder.mkdir()
    make_foreign(folder / "ledger.db")
    content = (folder / "ledger.db").read_bytes()
    told: list[str] = []
    with closing(Ledger(folder, told.append)) as ledger:
        assert ledger.usage() == []
    (aside,) = folder.glob("ledger.db-damaged-*")
    assert (aside / "ledger.db").read_bytes() == content
    assert "it is another program's database" in told[0]


@pytest.mark.parametrize(
    "statement", ["CREATE TRIGGER t AFTER INSERT ON usage BEGIN DELETE FROM usage; END", "DROP TABLE fact"]
)
def test_a_ledger_with_other_tables_than_ours_is_foreign(folder, statement):
    with closing(Ledger(folder)) as ledger:
        fill(ledger)
    with closing(sqlite3.connect(folder / "ledger.db")) as database:
        database.execute(statement)
    told: list[str] = []
    with closing(Ledger(folder, told.append)) as ledger:
        assert ledger.usage() == []
    assert len(told) == 1


def test_the_ledger_of_a_newer_version_is_left_alone(folder):
    with closing(Ledger(folder)) as ledger:
        fill(ledger)
    with closing(sqlite3.connect(folder / "ledger.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError) as caught:
        Ledger(folder)
    assert "was written by a newer holdover; upgrade this one" in str(caught.value)
    assert not list(folder.glob("*damaged*"))


def test_only_the_latest_damage_is_kept_and_the_cache_beside_is_untouched(folder):
    folder.mkdir()
    for name in ("cache.db", "changes"):
        (folder / name).write_text("not ours")
    (folder / "damaged-1").mkdir()
    for _ in range(3):
        with closing(Ledger(folder, lambda _: None)) as ledger:
            fill(ledger)
        settle(folder)
        garble(folder)
    Ledger(folder, lambda _: None).close()
    assert len(list(folder.glob("ledger.db-damaged-*"))) == 1
    assert (folder / "damaged-1").is_dir()
    assert [(folder / name).read_text() for name in ("cache.db", "changes")] == ["not ours"] * 2


@pytest.mark.parametrize("together", ["threads", "ledgers"])
def test_damage_that_several_find_together_is_mended_once(folder, together):
    told: list[str] = []
    ledgers = [Ledger(folder, told.append) for _ in range(4 if together == "ledgers" else 1)] * 4
    fill(ledgers[0])
    settle(folder)
    garble_middle(folder)
    barrier = threading.Barrier(4)

    def ask(ledger):
        barrier.wait(10)
        with suppress(StoreError):
            ledger.usage()

    threads = [threading.Thread(target=ask, args=(ledger,)) for ledger in ledgers[:4]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ledger in ledgers:
        ledger.close()
    assert len(told) == 1


def test_processes_killed_while_they_mend_leave_a_ledger_that_works(folder):
    program = (
        "import sys; from pathlib import Path; from holdover.store.ledger import Ledger\n"
        "print('go', flush=True)\nLedger(Path(sys.argv[1])).good('vendor', 'f', 1.0)"
    )
    with closing(Ledger(folder)) as ledger:
        fill(ledger)
    for delay in range(8):
        settle(folder)
        garble(folder)
        with subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            with suppress(subprocess.TimeoutExpired):
                process.wait(delay / 1000)
            process.send_signal(signal.SIGKILL)
        with closing(Ledger(folder, lambda _: None)) as ledger:
            ledger.good("vendor", "g", 2.0)
            assert ledger.known_at("vendor", "g") == 2.0


def test_a_file_cut_off_under_an_idle_process_is_replaced_at_once(folder):
    with closing(Ledger(folder)) as idle, closing(Ledger(folder)) as ledger:
        fill(ledger)
        settle(folder)
        truncate(folder)
        ledger.good("vendor", "f", NOW)
        assert idle.known_at("vendor", "f") == NOW


def test_a_wrong_statement_of_ours_is_no_damage(folder):
    with closing(Ledger(folder)) as ledger:
        fill(ledger)
        with pytest.raises(StoreError):
            ledger._database.read("SELECT nothing FROM usage")
        assert len(ledger.usage()) == 200
