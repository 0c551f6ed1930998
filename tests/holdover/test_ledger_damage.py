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
from typing import Any

import pytest

from holdover.store.balance import Balance
from holdover.store.base import StoreError
from holdover.store.ledger import Ledger

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


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Of every file, with its mode."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, b"" if path.is_dir() else path.read_bytes())
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("damage", [*LOUD, truncate], ids=lambda damage: damage.__name__)
def test_who_only_reads_leaves_a_damaged_ledger_as_it_is(damage, folder):
    with closing(Ledger(folder)) as ledger:
        fill(ledger)
    settle(folder)
    damage(folder)
    before = contents(folder)
    with pytest.raises(StoreError) as caught:
        Ledger(folder, read_only=True).usage()
    assert str(caught.value).startswith(f"{folder / 'ledger.db'} is damaged (")
    assert "put a good copy in its place, or let `holdover up` set it aside and begin it anew" in str(caught.value)
    assert contents(folder) == before


def test_who_only_reads_makes_no_file(folder):
    with pytest.raises(StoreError) as caught:
        Ledger(folder, read_only=True)
    assert str(caught.value) == f"{folder / 'ledger.db'} cannot be read: No such file or directory"
    assert not folder.exists()
    with closing(Ledger(folder)) as ledger:
        fill(ledger)
    before = contents(folder)
    reader = Ledger(folder, read_only=True)
    assert len(reader.usage()) == 200
    assert len(reader.salt()) == 32
    assert contents(folder) == before
    assert list(before) == ["ledger.db"]


def test_who_only_reads_sees_what_others_wrote_just_now(folder):
    with closing(Ledger(folder)) as ledger:
        reader = Ledger(folder, read_only=True)
        assert reader.salt() == b""
        for number in range(3):
            ledger.good("vendor", f"f{number}", NOW)
            assert reader.known_at("vendor", f"f{number}") == NOW
        assert reader.salt() != ledger.salt() == reader.salt()


def test_who_only_reads_after_a_kill_sees_what_stands_in_the_log_alone(folder):
    program = (
        "import os, sys; from pathlib import Path; from holdover.store.ledger import Ledger\n"
        "Ledger(Path(sys.argv[1])).good('vendor', 'f', 1.0); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)
    assert (folder / "ledger.db-wal").stat().st_size
    before = contents(folder)
    assert Ledger(folder, read_only=True).known_at("vendor", "f") == 1.0
    # The index of the log is made by whoever reads it first.
    assert contents(folder) | {"ledger.db-shm": None} == before | {"ledger.db-shm": None}


def test_a_ledger_open_for_reading_refuses_to_write(folder):
    Ledger(folder).close()
    reader = Ledger(folder, read_only=True)
    for write in (
        lambda: reader.good("vendor", "f", NOW),
        lambda: reader.tell("vendor", "", Balance(1.0, 1.0, NOW)),
        lambda: reader.spend("vendor", "odds", "", 1.0, 1, NOW),
    ):
        with pytest.raises(StoreError) as caught:
            write()
        assert str(caught.value) == f"{folder / 'ledger.db'} is open for reading alone"
    with pytest.raises(StoreError) as caught:
        reader._database.read("SELECT absent FROM usage")
    assert "does not answer: no such column: absent" in str(caught.value)
    reader.close()


@pytest.mark.parametrize("make", ["link", "folder", "fifo"])
def test_who_only_reads_refuses_what_is_no_plain_file(folder, tmp_path, make):
    path = folder / "ledger.db"
    folder.mkdir()
    match make:
        case "link":
            Ledger(tmp_path / "elsewhere").close()
            path.symlink_to(tmp_path / "elsewhere" / "ledger.db")
        case "folder":
            path.mkdir()
        case _:
            os.mkfifo(path)
    with pytest.raises(StoreError) as caught:
        Ledger(folder, read_only=True)
    assert str(caught.value) == f"{path} cannot be read: not a plain file"


def test_a_ledger_that_begins_to_be_written_while_it_is_read_is_read_again(folder, monkeypatch):
    """Without a log the file is read without locks: what was read then may be half of something."""
    with closing(Ledger(folder)) as ledger:
        ledger.good("vendor", "f", NOW)
    with closing(Ledger(folder)) as idle:
        reader = Ledger(folder, read_only=True)
        database: Any = reader._database
        read, ways = database._select, list[str]()

        def select(how, statement, values):
            rows = read(how, statement, values)
            if not ways:
                idle.good("vendor", "f", NOW + 1)
            ways.append(how)
            return rows

        monkeypatch.setattr(database, "_select", select)
        assert reader.known_at("vendor", "f") == NOW + 1
    assert ways == ["?immutable=1", "?mode=ro"]
