"""Changes of limits: what they make, what is tighter, what is in force after a restart, names by hash."""

from dataclasses import replace
from typing import Any

import pytest
from tests.desk.limits.test_gate import WIDE

from tercel.core.errors import LimitsError
from tercel.desk.limits import (
    find_loosened,
    from_json,
    hash_of,
    hash_of_json,
    limits_json,
    parse,
    tightest,
    with_changes,
)
from tercel.desk.limits.units import DAY_NS, MONEY, MS, are_hours_within

BASE = parse(WIDE)


def test_a_change_is_read_as_in_a_file() -> None:
    after = with_changes(
        BASE,
        {
            "desk.duplicate_ms": "5",
            "desk.order_value": "12.5",
            "agents.x.warn": "0.25",
            "instruments.BRK.B.hours": '["09:30", "16:00"]',
            "agents.*.messages": "9",
        },
    )
    assert (after.desk.duplicate_ns, after.desk.order_value) == (5 * MS, 25 * MONEY // 2)
    assert after.of_agent("x").warn == 2500  # type: ignore[union-attr]
    assert after.of_instrument("BRK.B").hours == (DAY_NS * 95 // 240, DAY_NS * 160 // 240)  # type: ignore[union-attr]
    assert after.of_instrument("other").hours is None  # type: ignore[union-attr]
    assert (after.of_agent("x").messages, after.of_agent("y").messages) == (1000, 9)  # type: ignore[union-attr]
    assert (after.source, after.sha256) == ("a change while the desk runs", "")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "limits to change"),
        (None, "limits to change"),
        ({"desk": "5"}, "desk.KEY, agents.NAME.KEY"),
        ({"desk.x.messages": "5"}, "desk.KEY, agents.NAME.KEY"),
        ({"agents.messages": "5"}, "desk.KEY, agents.NAME.KEY"),
        ({"desk.mesages": "5"}, "try 'messages'"),
        ({"desk.messages": "five"}, "a value as in a limit file"),
        ({"desk.messages": "-5"}, "at least 0"),
        ({"desk.messages": 5.5}, "whole number"),
        ({"desk.messages": "5\n[x]"}, "a value as in|whole"),
    ],
)
def test_changes_that_are_none(changes: Any, told: str) -> None:
    if changes == {"desk.messages": "5\n[x]"}:
        assert with_changes(BASE, changes).desk.messages == 5
        return
    with pytest.raises(LimitsError, match=f"(?s){told}"):
        with_changes(BASE, changes)


def test_a_name_without_limits_gets_none_by_a_change() -> None:
    only = parse(WIDE.replace('[agents."*"]', "[agents.x]"))
    with pytest.raises(LimitsError, match="a name with limits"):
        with_changes(only, {"agents.y.messages": "5"})


FEWER = ["order_lots", "order_value", "gross_value", "messages", "daily_loss", "drawdown", "warn"]


def _of(path: str) -> Any:
    return (
        BASE.desk
        if path == "desk"
        else BASE.agents["*"]
        if path.startswith("agents")
        else BASE.instruments["*"]
    )


@pytest.mark.parametrize("path", ["desk", "agents.x", "instruments.A"])
@pytest.mark.parametrize("key", FEWER)
def test_fewer_is_tighter(path: str, key: str) -> None:
    value = getattr(_of(path), key)
    scale = MONEY if key in ("order_value", "gross_value", "daily_loss", "drawdown") else 1
    less = "0.7999" if key == "warn" else str(value // scale - 1)
    more = "0.8001" if key == "warn" else str(value // scale + 1)
    same = "0.8" if key == "warn" else str(value // scale)
    assert find_loosened(BASE, with_changes(BASE, {f"{path}.{key}": less})) == []
    assert find_loosened(BASE, with_changes(BASE, {f"{path}.{key}": same})) == []
    assert find_loosened(BASE, with_changes(BASE, {f"{path}.{key}": more})) == [f"{path}.{key}"]


@pytest.mark.parametrize(
    ("path", "key", "value", "looser"),
    [
        ("desk", "window_ms", "999", True),
        ("desk", "window_ms", "1001", False),
        ("desk", "duplicate_ms", "1", False),
        ("agents.x", "executions_ms", "59999", True),
        ("agents.x", "executions_ms", "60001", False),
        ("instruments.A", "reference_age_ms", "1001", True),
        ("instruments.A", "collar_bps", "999", False),
        ("instruments.A", "collar_bps", "1001", True),
        ("agents.x", "long_lots", "10001", True),
        ("agents.x", "short_lots", "9999", False),
        ("agents.x", "executions", "1000000", False),  # 0 is no limit at all
        ("instruments.A", "hours", '["09:30", "16:00"]', False),
    ],
)
def test_longer_windows_are_tighter_and_older_marks_looser(
    path: str, key: str, value: str, looser: bool
) -> None:
    assert find_loosened(BASE, with_changes(BASE, {f"{path}.{key}": value})) == (
        [f"{path}.{key}"] if looser else []
    )


def test_no_limit_on_executions_is_the_loosest() -> None:
    some = with_changes(BASE, {"agents.*.executions": "5"})
    assert find_loosened(some, with_changes(some, {"agents.*.executions": "0"})) == [
        "agents.*.executions"
    ]
    assert find_loosened(some, with_changes(some, {"agents.*.executions": "4"})) == []
    assert find_loosened(some, with_changes(some, {"agents.*.executions": "6"})) == [
        "agents.*.executions"
    ]
    assert (
        tightest(BASE, some).agents["*"].executions
        == tightest(some, BASE).agents["*"].executions
        == 5
    )


@pytest.mark.parametrize(
    "inner", [(10, 20), (10, 19), (11, 20), (9, 20), (10, 21), (20, 10), (5, 25), (0, 1)]
)
@pytest.mark.parametrize("outer", [(10, 20), (20, 10)])
def test_hours_within_hours_minute_by_minute(
    inner: tuple[int, int], outer: tuple[int, int]
) -> None:
    def open_at(hours: tuple[int, int], hour: int) -> bool:
        return (hour - hours[0]) % 24 < (hours[1] - hours[0]) % 24

    scale = DAY_NS // 24
    at = lambda hours: (hours[0] * scale, hours[1] % 24 * scale)  # noqa: E731
    inner = (inner[0], inner[1] % 24)
    expected = all(open_at(outer, hour) for hour in range(24) if open_at(inner, hour))
    assert are_hours_within(at(inner), at(outer)) == expected
    assert are_hours_within(at(inner), None)
    assert not are_hours_within(None, at(outer))


def test_a_new_name_is_looser_where_it_had_no_limits() -> None:
    only = parse(WIDE.replace('[agents."*"]', "[agents.x]"))
    both = replace(only, agents={**only.agents, "y": only.agents["x"]})
    assert find_loosened(only, both) == ["agents.y.*"]
    assert find_loosened(both, only) == []
    assert find_loosened(BASE, only) == []


def test_the_tightest_of_two() -> None:
    one = with_changes(
        BASE, {"desk.messages": "5", "agents.x.long_lots": "3", "desk.window_ms": "2000"}
    )
    two = with_changes(
        BASE, {"desk.messages": "7", "desk.order_lots": "9", "agents.x.long_lots": "4"}
    )
    for first, second in ((one, two), (two, one)):
        both = tightest(first, second)
        assert find_loosened(one, both) == find_loosened(two, both) == []
        assert (both.desk.messages, both.desk.order_lots, both.desk.window_ns) == (5, 9, 2000 * MS)
        assert both.of_agent("x").long_lots == 3  # type: ignore[union-attr]
    far = with_changes(BASE, {"instruments.*.hours": '["01:00", "02:00"]'})
    near = with_changes(BASE, {"instruments.*.hours": '["01:30", "03:00"]'})
    assert tightest(far, near).instruments["*"].hours == far.instruments["*"].hours


def test_the_tightest_lets_new_names_of_a_file_in() -> None:
    only = parse(WIDE.replace('[agents."*"]', "[agents.x]"))
    both = replace(only, agents={**only.agents, "y": only.agents["x"]})
    assert set(tightest(only, both).agents) == {"x", "y"}
    assert set(tightest(both, only).agents) == {"x", "y"}
    for met in (tightest(only, both), tightest(both, only)):
        assert met.agents["y"] == only.agents["x"]


def test_limits_survive_json_and_have_a_name() -> None:
    some = with_changes(
        BASE, {"instruments.A.hours": '["09:30", "16:00"]', "agents.x.daily_loss": "0.000000001"}
    )
    body = limits_json(some)
    again = from_json(body, "here")
    assert (again.desk, again.instruments, again.agents, again.source) == (
        some.desk,
        some.instruments,
        some.agents,
        "here",
    )
    assert hash_of(again) == hash_of(some) == hash_of_json(body)
    assert len(hash_of(some)) == 12
    assert hash_of(some) != hash_of(BASE)
    assert hash_of(replace(BASE, source="elsewhere", sha256="x")) == hash_of(BASE)
    other = parse(WIDE.replace("[agents", "\n# words\n[agents"))
    assert hash_of(other) == hash_of(BASE)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "as a journal has them"),
        ({"desk": {}, "instruments": {}, "agents": {}}, "that this version knows"),
        ({"desk": 3, "instruments": [], "agents": 1}, "as a journal has them"),
    ],
)
def test_json_that_is_no_limits(body: Any, said: str) -> None:
    with pytest.raises(LimitsError, match=f"limits {said}"):
        from_json(body)


@pytest.mark.parametrize("name", ["order_lots", "drawdown", "warn", "executions", "executions_ns"])
def test_a_journal_without_a_limit_is_refused(name: str) -> None:
    body = limits_json(BASE)
    scopes = (body["desk"], body["instruments"]["*"], body["agents"]["*"])
    assert [scope.pop(name) for scope in scopes if name in scope]
    with pytest.raises(
        LimitsError, match=f"this version knows; received {name} in the journal.*that wrote it"
    ):
        from_json(body)


@pytest.mark.parametrize("room", ["desk", "instruments", "agents"])
def test_a_journal_with_a_later_limit_is_refused(room: str) -> None:
    body = limits_json(BASE)
    scope = body["desk"] if room == "desk" else body[room]["*"]
    scope["later_lots"] = 3
    with pytest.raises(LimitsError, match="later_lots in the journal") as caught:
        from_json(body)
    assert "version of tercel that wrote it" in caught.value.remedy
