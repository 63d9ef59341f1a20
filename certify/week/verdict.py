"""What a week came to: a row a session, and the bars."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from certify.week import judge
from certify.week.judge import JournalRows, Terms, VenueRecord
from certify.week.play import AGENTS, Week
from tercel.core import NS_PER_SECOND as SECOND
from tercel.desk.gate.process import FOLDER
from tercel.desk.limits import packaged_text
from tercel.desk.trading.journal import verify

DESK: Final = "the desk"
GATE: Final = "the gate"
GROWTH: Final = 0.05
"""Of memory from the end of the first session to that of the last."""
UNWATCHED_S: Final = 5.0
"""In which an order may work while nobody watches, of a clock on the wall."""


@dataclass(frozen=True)
class SessionRow:
    """A session, as the records have it.

    Parameters
    ----------
    session : int
    parents, orders, fills : int
        Parents that the desk accepted; orders and executions of the venue's record.
    faults, did : sequence, mapping
    lost, doubled : int
        Executions that a journal lacks; that one has twice or invented.
    breaches : sequence of str
        Limits that were passed.
    alerts : int
        That need somebody.
    owners : mapping of str to int
        Of alerts in the day's report.
    unowned : sequence of str
        Alerts without an owner there.
    report : int
        Exit code of the day's report.
    rss : mapping of str to int
        Bytes at its end.
    """

    session: int
    parents: int
    orders: int
    fills: int
    faults: Sequence[tuple[str, float]]
    did: Mapping[str, int]
    lost: int
    doubled: int
    breaches: Sequence[str]
    alerts: int
    owners: Mapping[str, int]
    unowned: Sequence[str]
    report: int
    rss: Mapping[str, int]


@dataclass(frozen=True)
class WeekVerdict:
    """Of a week.

    Parameters
    ----------
    rows : sequence of SessionRow
    strangers, still_open : sequence of str
        Orders at the venue that no journal has; that work there at the end.
    positions : sequence of str
        Positions that are not the venue's.
    faults : sequence of str
        Journals that are damaged, models that were followed and should not have been, surprises.
    unwatched_s : float
        Longest time that an order worked while nobody ran the desk.
    growth : mapping of str to float
        Of memory, from the end of the first session to that of the last; None where it cannot be told.
    """

    rows: Sequence[SessionRow]
    strangers: Sequence[str]
    still_open: Sequence[str]
    positions: Sequence[str]
    faults: Sequence[str]
    unwatched_s: float
    growth: Mapping[str, float]

    @property
    def failed(self) -> list[str]:
        """Bars that were not reached."""
        rows = self.rows
        bars = {
            "lost": sum(row.lost for row in rows),
            "doubled": sum(row.doubled for row in rows),
            "breaches": sum(len(row.breaches) for row in rows),
            "alerts without an owner": sum(len(row.unowned) for row in rows),
            "reports that failed": sum(bool(row.report) for row in rows),
            "orders that nobody wrote down": len(self.strangers),
            "orders open at the end": len(self.still_open),
            "positions": len(self.positions),
            "faults": len(self.faults),
            "sessions that traded nothing": sum(not row.fills for row in rows),
            f"unwatched for over {UNWATCHED_S:g} s": int(self.unwatched_s > UNWATCHED_S),
        }
        grown = [
            f"memory of the {who} grew by {by:.1%}"
            for who, by in self.growth.items()
            if by > GROWTH
        ]
        return [f"{n} {label}" for label, n in bars.items() if n] + grown

    def to_json(self) -> dict[str, Any]:
        """All of it, and whether every bar was reached."""
        return asdict(self) | {"failed": self.failed, "passed": not self.failed}


def verdict_of(week: Week) -> WeekVerdict:
    """Judge a week that is over, by what lies in its folder."""
    record = VenueRecord.read(week.venue.orders, AGENTS)
    folders = {DESK: week.desk.folder, GATE: week.desk.folder / FOLDER}
    journals = {who: JournalRows.read(folder) for who, folder in folders.items()}
    desk = journals[DESK]
    broken = judge.breaches(
        record, terms_of(week.folder / "desk.toml", week.desk.folder), week.kills
    )
    rows = []
    for number, log in enumerate(week.sessions):
        last = number + 1 == len(week.sessions)
        span = 0 if number == 0 else log.begun_ns, 2**62 if last else log.ended_ns
        rows.append(
            SessionRow(
                session=number + 1,
                parents=sum(span[0] <= ns < span[1] for ns in desk.parents),
                orders=sum(span[0] <= order.ns < span[1] for order in record.orders),
                fills=sum(span[0] <= trade.ns < span[1] for trade in record.trades),
                faults=log.faults,
                did={action: n for action, n in log.did.items() if n},
                lost=sum(
                    len(judge.lost_executions(record, journal, span))
                    for journal in journals.values()
                ),
                doubled=sum(
                    len(judge.doubled_executions(record, journal, span))
                    for journal in journals.values()
                ),
                breaches=[text for ns, text in broken if span[0] <= ns < span[1]],
                alerts=sum(
                    span[0] <= alert["ns"] < span[1]
                    for rows in journals.values()
                    for alert in rows.alerts
                ),
                owners=judge.owners(log.day),
                unowned=[
                    f"{who}: {text}"
                    for who, journal in journals.items()
                    for text in (
                        *judge.unowned_alerts(
                            journal, log.day, (span[0], log.ended_ns), at_gate=who == GATE
                        ),
                        *(judge.unowned_after(journal, log.ended_ns) if last else ()),
                    )
                ],
                report=log.code,
                rss=log.rss,
            )
        )
    held = [
        judge.position_differences(journal.positions, record.positions, who)
        for who, journal in journals.items()
    ]
    return WeekVerdict(
        rows=rows,
        strangers=[
            name for journal in journals.values() for name in judge.strangers(record, journal)
        ],
        still_open=judge.still_open(record),
        positions=[text for texts in held for text in texts],
        faults=[*_damaged_journals(folders), *_poisoned_forecasts(week, desk), *week.surprises],
        unwatched_s=judge.unwatched_ns(record, week.windows) / SECOND / week.venue.speed,
        growth=_growth([log.rss for log in week.sessions]),
    )


def terms_of(config: Path, desk: Path) -> Terms:
    """The limits of a desk's file over the packaged ones, and what a lot is worth by the desk's first session."""
    limits = tomllib.loads(packaged_text())
    changed = tomllib.loads(config.read_text())["limits"]["changed"]
    limits_by_scope = {
        "desk": limits["desk"],
        "instruments": limits["instruments"]["*"],
        "agents": limits["agents"]["*"],
    }
    for path, value in changed.items():
        scope, _, key = path.rpartition(".")
        limits_by_scope[scope.partition(".")[0]][key] = value
    with closing(sqlite3.connect(f"file:{desk / judge.JOURNAL}?mode=ro", uri=True)) as rows:
        (body,) = rows.execute(
            "SELECT body FROM journal WHERE kind = 'session' ORDER BY seq"
        ).fetchone()
    listed = json.loads(body)["listings"]
    worth = {
        name: float(listing["tick"]) * float(listing["lot"]) for name, listing in listed.items()
    }
    return Terms(
        limits_by_scope["desk"], limits_by_scope["instruments"], limits_by_scope["agents"], worth
    )


def _damaged_journals(folders: Mapping[str, Path]) -> list[str]:
    return [
        f"the journal of {who}: {sound.fault}"
        for who, folder in folders.items()
        if (sound := verify(folder)).fault
    ]


def _poisoned_forecasts(week: Week, desk: JournalRows) -> list[str]:
    """Forecasts that came of a poisoned model."""
    return [
        f"{poison}: {len(followed)} forecasts of a poisoned model were followed"
        for since, until, poison in week.poisoned
        if poison != "policy" and (followed := [ns for ns in desk.alphas if since < ns < until])
    ]


def _growth(rss: Sequence[Mapping[str, int]]) -> dict[str, float]:
    first = rss[0]
    last = rss[-1]
    return {who: last[who] / first[who] - 1 for who in first if first[who] and last.get(who)}
