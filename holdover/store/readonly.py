"""One of holdover's SQLite files, read by somebody who must change no file: not its own, and not those beside it."""

import sqlite3
import stat
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from holdover.store.base import StoreError
from holdover.store.database import LOCK_TIMEOUT_S, Foreign, is_suspect, locked, look_through


class ReadOnly:
    """The file at `path`, which has to be there; `recognize` raises Foreign for what is none of ours.

    Every call of `read` opens it anew and raises StoreError; what is damaged stays where it is."""

    def __init__(self, path: Path, recognize: Callable[[sqlite3.Connection], object]) -> None:
        self.path = path
        self._recognize = recognize
        self.read("SELECT 1")

    def read(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """The rows that a SELECT finds."""
        try:
            with locked(self.path.parent):
                return self._rows(statement, values)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error.strerror}") from error
        except sqlite3.Error as error:
            if is_suspect(error):
                raise StoreError(self._damaged(error)) from error
            raise StoreError(f"{self.path} does not answer: {error}") from error

    def write(self, _operation: Callable[[sqlite3.Connection], Any]) -> Any:
        """Refuses: whoever writes opens the file otherwise."""
        raise StoreError(f"{self.path} is open for reading alone")

    def close(self) -> None:
        """Nothing is held open between reads."""

    def _rows(self, statement: str, values: Sequence[object]) -> list[Any]:
        """Without a log nobody has written since the file was closed, and it is read without the files that SQLite
        would make beside it. If somebody begins to write meanwhile, what was read may be half of something."""
        status = self.path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a plain file")
        if not status.st_size:
            raise Foreign("it is empty")
        if not self._has_log():
            try:
                rows = self._select("?immutable=1", statement, values)
            except sqlite3.DatabaseError:
                if not self._has_log():
                    raise
            else:
                if not self._has_log():
                    return rows
        return self._select("?mode=ro", statement, values)

    def _select(self, how: str, statement: str, values: Sequence[object]) -> list[Any]:
        address = self.path.absolute().as_uri() + how
        with closing(sqlite3.connect(address, uri=True, timeout=LOCK_TIMEOUT_S)) as connection:
            try:
                self._recognize(connection)
                return connection.execute(statement, values).fetchall()
            except sqlite3.DatabaseError as error:
                if isinstance(error, Foreign) or not is_suspect(error):
                    raise
                look_through(connection)
                # The file is good, so the statement is not.
                raise StoreError(f"{self.path} does not answer: {error}") from error

    def _has_log(self) -> bool:
        log = self.path.with_name(f"{self.path.name}-wal")
        return log.exists() and log.stat().st_size > 0

    def _damaged(self, error: Exception) -> str:
        return (
            f"{self.path} is damaged ({error}). It was left as it is: put a good copy in its place, or let "
            "`holdover up` set it aside and begin it anew, which a running one does at its next use"
        )
