"""People at the console, by HTTP alone: on duty, who owns alerts and stops the desk, and the two who re-arm it."""

from __future__ import annotations

import http.client
import json
import secrets
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

HEAD = "rita"
DUTY = "dora"
SECOND_PERSON = "rob"
PEOPLE: Final = {
    who: (role, secrets.token_urlsafe(12))
    for who, role in ((HEAD, "risk"), (DUTY, "trader"), (SECOND_PERSON, "risk"))
}
"""Who may log in: role and password."""
_TIMEOUT_S: Final = 30.0


class RefusedError(Exception):
    """The console said no: status and words."""


class ConsolePerson:
    """One who logs in again whenever the console has forgotten them.

    Parameters
    ----------
    name : str
    port : int
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self._port = port
        self._cookie = self._csrf = ""

    def get(self, path: str) -> Any:
        """What stands there."""
        return self._request("GET", path)

    def post(self, path: str, **body: Any) -> Any:
        """What was done.

        Raises
        ------
        RefusedError
            The console, or the desk, says no.
        OSError
            Nobody answers.
        """
        return self._request("POST", path, body)

    def _request(self, verb: str, path: str, body: Any = None) -> Any:
        status, answer = self._send_once(verb, path, body) if self._csrf else (401, None)
        if status == 401:
            self._log_in()
            status, answer = self._send_once(verb, path, body)
        if status >= 400:
            raise RefusedError(f"{status} {json.dumps(answer)[:300]}")
        return answer

    def _log_in(self) -> None:
        status, answer = self._send_once(
            "POST", "/api/login", {"name": self.name, "password": PEOPLE[self.name][1]}
        )
        if status != 200:
            raise RefusedError(f"login of {self.name}: {status}")
        self._csrf = answer["csrf"]

    def _send_once(self, verb: str, path: str, body: Any) -> tuple[int, Any]:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        try:
            headers = {
                "content-type": "application/json",
                "cookie": self._cookie,
                "x-csrf": self._csrf,
            }
            headers |= {"origin": f"http://127.0.0.1:{self._port}"}
            link.request(verb, path, None if body is None else json.dumps(body), headers)
            answer = link.getresponse()
            if (cookie := answer.getheader("set-cookie")) and path == "/api/login":
                self._cookie = cookie.partition(";")[0]
            text = answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from None
        finally:
            link.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode(errors="replace")


class Duty:
    """Who is on duty: owns every alert that needs somebody, resumes what waits.

    Parameters
    ----------
    person : ConsolePerson
    desk : str
    """

    def __init__(self, person: ConsolePerson, desk: str) -> None:
        self._person = person
        self._desk = desk
        self.owned = self.resumed = 0

    def last_read_seq(self) -> int:
        """The last entry of the desk that the console has read."""
        with suppress(OSError, RefusedError):
            return next(
                int(row["seq"])
                for row in self._person.get("/api/desks")
                if row["desk"] == self._desk
            )
        return 0

    def own_alerts(self) -> None:
        """Take every alert of the desk and of its gate that is nobody's."""
        with suppress(OSError, RefusedError):
            for alert in self._unowned_alerts():
                with suppress(OSError, RefusedError):
                    body = {
                        "desk": self._desk,
                        "gate": alert["gate"],
                        "note": f"{alert['code']}: as the playbook says",
                    }
                    self._person.post(f"/api/alerts/{alert['seq']}/acknowledge", **body)
                    self.owned += 1

    def _unowned_alerts(self) -> list[dict[str, Any]]:
        alerts = list[dict[str, Any]]()
        before = 2**62
        while before:
            page = self._person.get(f"/api/desks/{self._desk}/alerts?unowned=true&before={before}")
            alerts = alerts + page["alerts"]
            before = page["next"] or 0
        return alerts

    def killed_by(self, who: str) -> bool:
        """Whether the desk, or an agent of it, is killed by that one."""
        with suppress(OSError, RefusedError):
            rows = self._person.get("/api/desks")
            return any(
                str((row["killed"] or {}).get("by")) == who
                for row in rows
                if row["desk"] == self._desk
            )
        return False

    def resume(self) -> None:
        """Let parents go on that an outage or a kill has paused."""
        with suppress(OSError, RefusedError):
            for parent in self._person.get(f"/api/orders?desk={self._desk}")["parents"]:
                if parent["status"] == "paused":
                    with suppress(RefusedError):
                        reason = "what paused it is over"
                        road = f"/api/parents/{quote(parent['id'], '')}/resume"
                        self._person.post(road, desk=self._desk, reason=reason)
                        self.resumed += 1
