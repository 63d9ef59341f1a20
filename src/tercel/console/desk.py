"""What the console needs of a desk: its journal to read, its inbox, its kill latch. `app` brings real ones."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from tercel.core.ports import Entry


class WatchedDesk(Protocol):
    """A desk as the console meets it, from another process."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    def stands(self) -> tuple[str, int]:
        """Which journal this is (a new one in its place has another name), and the number of its last entry."""
        ...

    def running(self) -> str | None:
        """Who runs the desk now; "" when nobody does, None when that cannot be known."""
        ...

    def read(self, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Entry]]:
        """Journal entries above a sequence number."""
        ...

    def post(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> int:
        """Leave a command in the inbox."""
        ...

    def kill(self, scope: str, by: str, reason: str) -> None:
        """Latch the kill switch at once, whatever the desk's process does."""
        ...

    def rearm(self, by: str, reason: str) -> None:
        """Release it."""
        ...

    def killed(self) -> Mapping[str, Any] | None:
        """The latch as it stands: {"scope", "by", "reason", ...}, None when armed."""
        ...

    def why(self, seq: int) -> Mapping[str, Any] | None:
        """What was seen and wanted at a decision, in words and numbers; None where there is none."""
        ...
