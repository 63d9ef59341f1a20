"""Requests of one person that another person has to confirm, in a file of the desk's folder.

book = RequestBook(folder, time.time_ns)
request = book.ask("rearm", {"agents": []}, "re-arm all", "ann", "password", "looked at it", {})
book.settle(request.id, "confirmed", "bob", rearm)        # once; never after a quarter of an hour
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from tercel.core.errors import ConfigError, OrderError, refuse_if
from tercel.core.files import write_private
from tercel.core.locks import file_lock
from tercel.desk.trading.limit_record import EXPIRES_NS

FILE: Final = "requests.json"
MOST_REQUESTS: Final = 200
"""Requests in the file; the oldest are dropped first."""
MOST_WAITING: Final = 50
RequestState = Literal["waits", "confirmed", "refused", "expired"]
_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class TwoPersonRequest:
    """A request of one person that another person has to confirm.

    Parameters
    ----------
    id : str
    act : str
        rearm, promote, experiment, limits or posture.
    body : dict
        Of the act.
    what : str
        The same in words.
    asked_by, proof : str
        Name of the requester, and how it was proved.
    reason : str
    ns : int
        Time of the request, on the wall's clock.
    state : str
        waits, confirmed, refused or expired.
    by : str
        Name of the person who confirmed or refused it.
    lifters : dict of str to float
        The requester's `Person.lifters` at the time of the request.
    """

    id: str
    act: str
    body: dict[str, Any]
    what: str
    asked_by: str
    proof: str
    reason: str
    ns: int
    state: RequestState = "waits"
    by: str = ""
    lifters: dict[str, float] = field(default_factory=dict)

    def as_of(self, now_ns: int) -> "TwoPersonRequest":
        """The request at a time: a waiting one is expired after `EXPIRES_NS`, or if the clock was put back."""
        is_expired = self.state == "waits" and not 0 <= now_ns - self.ns <= EXPIRES_NS
        return replace(self, state="expired") if is_expired else self


class RequestBook:
    """Two-person requests of one desk, in a file that all consoles of the desk share.

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

    def all(self) -> list[TwoPersonRequest]:
        """All requests, newest first.

        Raises
        ------
        ConfigError
            The file is none.
        """
        return [request.as_of(self._now_ns()) for request in reversed(self._read())]

    def all_or_error(self) -> list[TwoPersonRequest]:
        """All requests, newest first; for an unreadable file one row with the error."""
        try:
            return self.all()
        except (ConfigError, OSError) as error:
            return [
                TwoPersonRequest(
                    "", "", {}, f"nothing: {error}", "", "", "", self._now_ns(), "expired"
                )
            ]

    def ask(
        self,
        act: str,
        body: Mapping[str, Any],
        summary: str,
        by: str,
        proof: str,
        reason: str,
        lifters: Mapping[str, float],
    ) -> TwoPersonRequest:
        """Store a request; the arguments are those of `TwoPersonRequest`, `by` is the requester, `summary` its `what`.

        Raises
        ------
        OrderError
            Too many wait.
        """
        request_id = secrets.token_hex(8)
        request = TwoPersonRequest(
            request_id,
            act,
            dict(body),
            summary,
            by,
            proof,
            reason,
            self._now_ns(),
            lifters=dict(lifters),
        )
        with self._edit_requests() as rows:
            waiting_count = sum(row.as_of(request.ns).state == "waits" for row in rows)
            refuse_if(
                waiting_count >= MOST_WAITING,
                f"at most {MOST_WAITING} requests that wait",
                f"{waiting_count}",
                "confirm or refuse some",
                OrderError,
            )
            rows.append(request)
        return request

    def settle(
        self, id_: str, state: RequestState, by: str, act: Callable[[TwoPersonRequest], _Done]
    ) -> _Done:
        """Set the state of a request that waits, once, then return `act(request)`; if that raises, the request waits again.

        It is settled first, and `act` does it with no lock held, so that a slow desk delays no other request; if
        that raises, nothing was done, and the request waits again. A console that dies between the two leaves it
        settled: what may have been done is never done twice.

        Raises
        ------
        OrderError
            It does not wait any more.
        """
        with self._edit_requests() as rows:
            index = next((number for number, row in enumerate(rows) if row.id == id_), None)
            current_state = "expired" if index is None else rows[index].as_of(self._now_ns()).state
            if index is None or current_state != "waits":
                raise OrderError(
                    "a request that waits",
                    f"one that is {current_state}",
                    f"ask again: a request is confirmed once, within {EXPIRES_NS // 10**9} s",
                )
            request = rows[index]
            rows[index] = replace(rows[index], state=state, by=by)
        try:
            return act(request)
        except BaseException:
            with self._edit_requests() as rows:
                rows[:] = [request if row.id == id_ else row for row in rows]
            raise

    @contextmanager
    def _edit_requests(self) -> Iterator[list[TwoPersonRequest]]:
        """Yield the requests for a change under the file's lock; write them at the end."""
        with file_lock(self._path.with_name(f".{FILE}.lock")):
            rows = self._read()
            yield rows
            text = json.dumps(
                {"requests": [asdict(request) for request in rows[-MOST_REQUESTS:]]}, indent=1
            )
            write_private(self._path, text + "\n")

    def _read(self) -> list[TwoPersonRequest]:
        """Requests in the file; none if there is no file."""
        try:
            return [
                TwoPersonRequest(**row) for row in json.loads(self._path.read_bytes())["requests"]
            ]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigError(
                "a file of requests",
                f"{self._path}: {type(error).__name__}: {error}",
                "move it away, then make pending requests again",
            ) from None
