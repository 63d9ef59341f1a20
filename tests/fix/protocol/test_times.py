"""Sessions open and close by the clocks of their place, and begin at 1 with each opening."""

from datetime import UTC, datetime, time

import pytest
from tests.fix.protocol.pair import S, Script, kinds, report

from tercel.core.errors import ConfigError
from tercel.fix.protocol.events import SessionEventKind
from tercel.fix.protocol.settings import SessionTimes


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


def window(times: SessionTimes, at: str) -> list[str] | None:
    found = times.window(ns(at))
    return found and [datetime.fromtimestamp(one / S, UTC).strftime("%m-%dT%H:%M") for one in found]


DAILY = SessionTimes(time(8), time(16, 30), "Europe/London", days=(0, 1, 2, 3, 4))
NIGHTLY = SessionTimes(time(18), time(17), "America/New_York", days=(6, 0, 1, 2, 3))
WEEKLY = SessionTimes(time(22), time(21), "UTC", days=(6,), ends_on=4)


@pytest.mark.parametrize(
    ("times", "at", "expected"),
    [
        (DAILY, "2024-03-28T08:00", ["03-28T08:00", "03-28T16:30"]),
        (DAILY, "2024-03-28T16:30", None),
        (DAILY, "2024-03-30T12:00", None),  # a Saturday
        (DAILY, "2024-04-01T07:00", ["04-01T07:00", "04-01T15:30"]),  # summer time
        (NIGHTLY, "2024-03-08T21:59", ["03-07T23:00", "03-08T22:00"]),
        (NIGHTLY, "2024-03-08T22:00", None),
        (NIGHTLY, "2024-03-10T22:00", ["03-10T22:00", "03-11T21:00"]),  # the day on which it begins
        (NIGHTLY, "2024-03-09T23:30", None),
        (WEEKLY, "2024-03-13T03:00", ["03-10T22:00", "03-15T21:00"]),
        (WEEKLY, "2024-03-15T21:00", None),
        (WEEKLY, "2024-03-10T21:59", None),
        (
            SessionTimes(time(0), time(0), days=(6,), ends_on=6),
            "2024-03-13T03:00",
            ["03-10T00:00", "03-17T00:00"],
        ),
        (SessionTimes(time(0), time(0)), "2024-03-13T03:00", ["03-13T00:00", "03-14T00:00"]),
    ],
)
def test_windows(times: SessionTimes, at: str, expected: list[str] | None) -> None:
    assert window(times, at) == expected


@pytest.mark.parametrize(
    "words", [{"zone": "Nowhere/At_All"}, {"days": ()}, {"days": (7,)}, {"ends_on": 9}]
)
def test_times_that_make_no_sense(words: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SessionTimes(**{"start": time(8), "end": time(9), **words})  # type: ignore[arg-type]


@pytest.mark.parametrize("initiates", [False, True])
def test_a_session_over_two_days(initiates: bool) -> None:
    script = Script(
        initiates=initiates, heartbeat_s=0, times=SessionTimes(time(22), time(23))
    )  # it is 22:13
    script.side.take(script.side.session.send("8", report("a"), script.now))
    script.again()
    assert script.side.told(SessionEventKind.RESET) == []
    script.say("A", (98, "0"), (108, "0"))
    script.now = ns("2023-11-14T22:59:59")
    assert script.wait(0.9) == []
    sent = script.wait(0.1)
    assert [(one.kind, one.get(58)) for one in sent] == [("5", "the session is over for now")]
    script.say("5")
    assert script.side.closed
    script.again()
    assert script.side.told(SessionEventKind.REFUSED) == ["the session is closed at this time"]
    script.now, script.number = ns("2023-11-15T22:00:00"), 0
    script.again()
    assert script.side.told(SessionEventKind.RESET) == [""]
    script.say("A", (98, "0"), (108, "0"))
    assert script.side.session.numbers.next_out == 2
    assert kinds(script.say("2", (7, "1"), (16, "0"))) == ["4"]  # yesterday's report is not today's
