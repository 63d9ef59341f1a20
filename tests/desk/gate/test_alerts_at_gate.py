"""Alerts of a gate: owned while it runs, told to the desks behind it, found in their day's report."""

import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.api.test_desk_day import days_of
from tests.desk.console.test_hanging import listening
from tests.desk.gate.wall import ConnectedDesk, exchange_served, gate_of, simulated_gate
from tests.waiting import until

from tercel.api.console.connected import RemoteDesk
from tercel.api.desk.desk import open_desk
from tercel.core.errors import OrderError
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.risk.cancels import UNWATCHED

__all__ = ["gate_of"]
SMALL: dict[str, Any] = {
    "desk.warmup_s": 60, "risk.posture": "off", "signals.model": "off", "instrument": [{"name": "X"}],
    "agent": [{"name": "ann", "strategy": "twap_take"}],
}  # fmt: skip


def test_a_gate_that_runs_takes_whose_its_alerts_are(
    gate_of: ConnectedDesk, tmp_path: Path
) -> None:
    with exchange_served() as server:
        gate = gate_of(server)
        gate.gateway.alert("critical", UNWATCHED, "ann: its session is gone", agent="ann")
        console = RemoteDesk(tmp_path / "gate", time.time_ns)
        (seq,) = (n for n, one in console.read(0, (kinds.ALERT,)) if one.body["code"] == UNWATCHED)
        said = console.ask("own_alert", {"alert": seq}, "ann (password)", "mine")
        assert said is not None
        assert (said.kind, said.body["by"], said.body["body"]) == (
            kinds.OPERATOR,
            "ann (password)",
            {"alert": seq},
        )
        with pytest.raises(OrderError, match="own_alert, limits or settle, at a gate"):
            console.ask("pause", {"parent": "p1"}, "ann (password)", "news")


def test_a_desk_behind_a_gate_of_others_knows_its_journal(tmp_path: Path) -> None:
    wall, desk, hook = tmp_path / "wall", tmp_path / "desk", listening()
    settings = SMALL | {"alerts.webhook": f"http://127.0.0.1:{hook.server_port}"}

    def heard(part: str) -> list[str]:
        return [str(one[part]) for _, one in hook.got]  # type: ignore[attr-defined]

    with simulated_gate(wall, "ann", "cy") as gate:
        where = f"gate:{wall / 'gate.sock'}"
        gate.gateway.alert("critical", "OLD", "before the desk", agent="ann")
        with open_desk(settings=settings, venue=where, folder=desk):
            gate.gateway.alert("critical", UNWATCHED, "of another desk", agent="cy")
            gate.gateway.alert("critical", "GAP", "of nobody")
            until(lambda: "GAP" in heard("code"), what="the gate's alert")
        gate.gateway.alert("critical", UNWATCHED, "while nobody is there", agent="ann")
        with open_desk(settings=settings, venue=where, folder=desk):
            until(lambda: "while nobody is there" in heard("text"), what="what came meanwhile")
    hook.shutdown()
    hook.server_close()
    others = ("of nobody", "of another desk", "before the desk")
    assert [heard("text").count(one) for one in others] == [1, 0, 0]
    with closing(JournalReader(desk)) as journal:
        sessions = [entry.body["gate"] for _, entry in journal.read(0, (kinds.SESSION,))]
    assert sessions == [{"journal": str(wall.resolve()), "accounts": ["ann"]}] * 2
    (day,) = days_of([desk])["desks"]
    told = [row["text"] for row in day["alerts"] if row["gate"]]
    assert sorted(told) == ["before the desk", "of nobody", "while nobody is there"]


@pytest.mark.parametrize(
    ("ends", "severity"), [(None, "info"), (KeyboardInterrupt, "info"), (RuntimeError, "critical")]
)
def test_a_desk_that_people_stop_alarms_nobody_and_one_that_an_error_ends_does(
    tmp_path: Path, ends: type[BaseException] | None, severity: str
) -> None:
    wall, settings = (
        tmp_path / "wall",
        SMALL | {"agent": [{"name": "ann", "strategy": "twap_passive"}]},
    )
    with simulated_gate(wall, "ann") as gate:
        where, folder = f"gate:{wall / 'gate.sock'}", tmp_path / "desk"
        with (
            suppress(RuntimeError, KeyboardInterrupt),
            open_desk(settings=settings, venue=where, folder=folder) as desk,
        ):
            desk.submit("X", "buy", 20, agent="ann", horizon="10min", decisions=100)
            while not gate.open_orders:
                desk.wait("1s")
            if ends is not None:
                raise ends
        until(lambda: not gate.open_orders, what="nothing open")
        told = [one.body for _, one in gate.gateway.journal.read(0, (kinds.ALERT,))]
    assert [one["severity"] for one in told if one["code"] == UNWATCHED] == [severity]
