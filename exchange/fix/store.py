"""Session store of a server: the number of a received message is written together with the answer."""

from pathlib import Path

from tercel.fix import Commit, SequenceNumbers, SqliteStore


class ServerStore(SqliteStore):
    """A `SqliteStore` that is not durable and delays commits without sent messages, so that one write replaces two.

    A process that is killed between the two receives the message again.

    Parameters
    ----------
    path : Path
    session : str
    """

    def __init__(self, path: Path, session: str) -> None:
        self._delayed: Commit | None = None
        self._next_out = 0
        super().__init__(path, session, durable=False)

    def load(self) -> SequenceNumbers:
        """See `SessionStore`."""
        self.flush()
        return super().load()

    def commit(self, change: Commit) -> None:
        """See `SqliteStore`; a commit that sends nothing waits for the next one, or for :meth:`flush`."""
        self._delayed = None
        if change.sent or change.reset or change.numbers.next_out != self._next_out:
            super().commit(change)
            self._next_out = change.numbers.next_out
        else:
            self._delayed = change

    def flush(self) -> None:
        """Write the delayed commit. Errors are those of :meth:`commit`."""
        change = self._delayed
        self._delayed = None
        if change is not None:
            super().commit(change)

    def close(self) -> None:
        """See `SqliteStore`."""
        try:
            self.flush()
        except BaseException:
            self._file.close()  # without the mark of a store that was closed in order
            raise
        super().close()
