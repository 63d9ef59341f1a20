"""Rounds of a desk run in trading time: a day with a break costs what the same day without the break costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="a desk's journal needs the extra [trade]")
import tercel as tc
from tercel.core.errors import ConfigError
from tercel.market.flow.registry import load
from tercel.market.simulator.days import simulated_session
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.local_times import local_ns

S = 10**9
DATE = "2030-01-02"
OPEN = local_ns(DATE, "Asia/Shanghai", 9 * 3600)
MORNING = 185 * S  # in the second round, between two decisions
CLOSE = OPEN + 600 * S
PAUSE = 3000 * S
RULES = """
[session]
timezone = "Asia/Shanghai"
windows = [["09:00", "09:03:05"], ["09:53:05", "10:00"]]

[orders]
stop_s = 0
"""
DESK = """
[desk]
stage = "replay"
rounds = {rounds}
round_s = 100.0
decision_s = 10.0
warmup_s = 60.0

[data]
lake = "{lake}"

[[instrument]]
name = "TOY"

[[agent]]
name = "ann"
strategy = "twap_take"

[order_arrivals]
share = 0.2
side = "buy"

[risk]
posture = "off"
"""


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lakes of the same events: `joined`, and `apart`, 50 minutes of break in the second round."""
    folder = tmp_path_factory.mktemp("lakes")
    (folder / "rules.toml").write_text(RULES, encoding="utf-8")
    joined = simulated_session(load("csco-santa-fe"), 5, 600.0, OPEN)
    ns = joined.exch_ns + PAUSE * (joined.exch_ns >= OPEN + MORNING)
    apart = replace(joined, exch_ns=ns, recv_ns=ns)
    for name, events, pause, extra in (
        ("joined", joined, 0, {}),
        ("apart", apart, PAUSE, {"rules": str(folder / "rules.toml")}),
    ):
        day = Instrument(
            "TEST", "TOY", DATE, 0.01, timezone="Asia/Shanghai", extra=extra,
            session_open_ns=OPEN, session_close_ns=CLOSE + pause,
        )  # fmt: skip
        Lake(folder / name).write(day, events)
    return folder


@contextmanager
def open_desk(lakes: Path, lake: str, rounds: int) -> Iterator[tc.Desk]:
    file = lakes / f"{lake}{rounds}.toml"
    file.write_text(DESK.format(lake=lake, rounds=rounds), encoding="utf-8")
    with tc.open_desk(file, folder=lakes / f"desk_{lake}{rounds}") as desk:
        yield desk


def test_rounds_cost_the_same_with_and_without_a_break(lakes: Path) -> None:
    found = []
    for lake in ("joined", "apart"):
        with open_desk(lakes, lake, 5) as desk:
            desk.run()
            outcome = desk.outcome
            assert not outcome.open_parents
            found.append([(p.id, p.filled, p.is_bps) for p in outcome.parents])
    assert len({cost for _, _, cost in found[0]}) == len(found[0]) == 5
    assert found[0] == found[1]


def test_a_desk_of_more_rounds_than_the_trading_time_has_is_refused(lakes: Path) -> None:
    with pytest.raises(ConfigError, match=r"set rounds = 5 in"), open_desk(lakes, "apart", 7):
        pass
