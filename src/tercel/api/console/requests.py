"""What one person asked for and another has to confirm, in a file of the desk's folder.

book = RequestBook(folder, time.time_ns)
asked = book.ask("rearm", {"agents": []}, "re-arm all", "ann", "password", "looked at it", {})
book.settle(asked.id, "confirmed", "bob", rearm)        # once; what is older than a quarter of an hour, never
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from tercel.core.errors import ConfigError, OrderError
from tercel.core.files import locked, write_private
from tercel.desk.trading.ledger import EXPIRES_NS

FILE: Final = "requests.json"
MOST_REQUESTS: Final = 200
"""Requests in the file; the oldest are dropped first."""
MOST_WAITING: Final = 50
RequestState = Literal["waits", "confirmed", "refused", "expired"]
WAITS: Final = "waits"
CONFIRMED: Final = "confirmed"
REFUSED: Final = "refused"
EXPIRED: Final = "expired"
_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of one person.

    Parameters
    ----------
    id : str
    act : str
        rearm, promote or limits.
    body : dict
        Of the act.
    what : str
        The same in words.
    asked_by, proof : str
        Who asked, and how that was proved.
    reason : str
    ns : int
        When, on the wall's clock.
    state : str
        waits, confirmed, refused or expired.
    by : str
        Who confirmed or refused.
    lifters : dict of str to float
        Who had let in or raised the one who asked, and when (`Person.lifters`), as it was then.
    """

    id: str
    act: str
    body: dict[str, Any]
    what: str
    asked_by: str
    proof: str
    reason: str
    ns: int
    state: RequestState = WAITS
    by: str = ""
    lifters: dict[str, float] = field(default_factory=dict)

    def at(self, now_ns: int) -> "Asked":
        """The same at a time: what waits has expired, also where the clock was put back behind it."""
        old = self.state == WAITS and not 0 <= now_ns - self.ns <= EXPIRES_NS
        return replace(self, state=EXPIRED) if old else self


class RequestBook:
    """Requests of one desk, for all consoles that serve it.

    Parameters
    ----------
    folder : Path
        The desk's.
    now_ns : callable
        Time on the wall.
    """

    def __init__(self, folder: Path, now_ns: Callable[[], int]) -> None:
        self._path = folder / FILE
        self._now_ns = now_ns

    def all(self) -> list[Asked]:
        """Every request, the newest first.

        Raises
        ------
        ConfigError
            The file is none.
        """
        return [one.at(self._now_ns()) for one in reversed(self._read())]

    def shown(self) -> list[Asked]:
        """The same; of a file that is none, or cannot be read, a row that says so."""
        try:
            return self.all()
        except (ConfigError, OSError) as error:
            return [Asked("", "", {}, f"nothing: {error}", "", "", "", self._now_ns(), EXPIRED)]

    def ask(
        self,
        act: str,
        body: Mapping[str, Any],
        what: str,
        by: str,
        proof: str,
        reason: str,
        lifters: Mapping[str, float],
    ) -> Asked:
        """Write a request down; the arguments are `Asked`'s, `by` is who asks.

        Raises
        ------
        OrderError
            Too many wait.
        """
        made = secrets.token_hex(8)
        asked = Asked(
            made, act, dict(body), what, by, proof, reason, self._now_ns(), lifters=dict(lifters)
        )
        with self._changing() as rows:
            waiting = sum(one.at(asked.ns).state == WAITS for one in rows)
            if waiting >= MOST_WAITING:
                raise OrderError(
                    f"at most {MOST_WAITING} requests that wait",
                    f"{waiting}",
                    "confirm or refuse some",
                )
            rows.append(asked)
        return asked

    def settle(
        self, id_: str, state: RequestState, by: str, act: Callable[[Asked], _Done]
    ) -> _Done:
        """Confirm or refuse a request that waits: it is done once, even if several try at the same time.

        It is settled first, and `act` does it with no lock held, so that a slow desk delays no other request; if
        that raises, nothing was done, and the request waits again. A console that dies between the two leaves it
        settled: what may have been done is never done twice.

        Raises
        ------
        OrderError
            It does not wait any more.
        """
        with self._changing() as rows:
            place = next((n for n, one in enumerate(rows) if one.id == id_), None)
            now = EXPIRED if place is None else rows[place].at(self._now_ns()).state
            if place is None or now != WAITS:
                raise OrderError(
                    "a request that waits",
                    f"one that is {now}",
                    f"ask again: a request is confirmed once, within {EXPIRES_NS // 10**9} s",
                )
            asked, rows[place] = rows[place], replace(rows[place], state=state, by=by)
        try:
            return act(asked)
        except BaseException:
            with self._changing() as rows:
                rows[:] = [asked if one.id == id_ else one for one in rows]
            raise

    @contextmanager
    def _changing(self) -> Iterator[list[Asked]]:
        with locked(self._path.with_name(f".{FILE}.lock")):
            rows = self._read()
            yield rows
            text = json.dumps(
                {"requests": [asdict(one) for one in rows[-MOST_REQUESTS:]]}, indent=1
            )
            write_private(self._path, text + "\n")

    def _read(self) -> list[Asked]:
        try:
            return [Asked(**row) for row in json.loads(self._path.read_bytes())["requests"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigError(
                "a file of requests",
                f"{self._path}: {type(error).__name__}: {error}",
                "move it away: what waits is asked for again",
            ) from None
