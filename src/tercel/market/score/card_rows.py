"""Rows of a market's card: a measure simulated and recorded, its ceiling by recorded days, and the share of the ceiling.

| kind | simulated, recorded | ceiling | share |
|---|---|---|---|
| checks | number passed, number of checks | mean number that a recorded day passes | simulated / ceiling |
| figure | its values | mean distance of a recorded day from the others | ceiling / simulated distance, at most 1 |
| distance | L1 from recorded days | the same of recorded days | ceiling / simulated, at most 1 |
| agreement | correlation, R² or error of a classifier | the same of recorded days | simulated / ceiling |
"""

from collections.abc import Mapping, Sequence
from typing import Final

from tercel.market.score.ceilings import FEWEST_DAYS, Checks, DayAgreement
from tercel.market.score.stored_scores import CardRow

WORST: Final = 3
"""Rows that stand first."""
UNKNOWN: Final = DayAgreement(None, 0.0, 0)
"""Of a check that has no ceiling."""


def check_rows(
    group: str,
    checks: Checks,
    ceilings: Mapping[str, DayAgreement],
    words: Mapping[str, str] | None = None,
) -> list[CardRow]:
    """A row for the number of checks that a group passes, and one for each figure checked, by its words or its name.

    >>> from tercel.market.score.realism_gates import judge_gate
    >>> checks = {"sd_1s": judge_gate("sd_1s", 1.25, 1.0)}
    >>> [row.share for row in check_rows("flow", checks, {"sd_1s": DayAgreement(0.125, 0.5, 5)})]
    [0.0, 0.5]

    The one distance between two halves is no spread: a figure has no share of it.
    """
    passed = float(sum(check.passed for check in checks.values()))
    known = {name: ceilings.get(name, UNKNOWN) for name in checks}
    ceiling = sum(one.passed for one in known.values()) or None
    share = passed / ceiling if ceiling else None
    return [
        CardRow("checks", f"{group}: checks passed", passed, float(len(checks)), ceiling, share),
        *(
            CardRow(
                "figure",
                f"{group}: {(words or {}).get(name, name)}",
                check.value,
                check.real,
                known[name].distance,
                share_of_distance(
                    known[name].distance if known[name].units >= FEWEST_DAYS else None,
                    check.value,
                    check.real,
                ),
            )
            for name, check in checks.items()
        ),
    ]


def distance_row(name: str, simulated: float | None, ceiling: float | None) -> CardRow:
    """The row of a distance from recorded days; `ceiling` is that between recorded days."""
    share = share_of_distance(ceiling, simulated)
    return CardRow("distance", f"distance: {name}", simulated, None, ceiling, share)


def agreement_row(measure: str, simulated: float | None, ceiling: float | None) -> CardRow:
    """The row of a measure that is better the higher it is; `ceiling` is what recorded days reach.

    >>> agreement_row("R²", 0.5, 0.8).share, agreement_row("R²", 0.5, -0.1).share
    (0.625, None)
    """
    share = None if simulated is None or not ceiling or ceiling < 0.0 else simulated / ceiling
    return CardRow("agreement", measure, simulated, None, ceiling, share)


def share_of_distance(
    ceiling: float | None, simulated: float | None, recorded: float | None = 0.0
) -> float | None:
    """Share of the ceiling of a distance: 1 where recorded days are as far apart, 0 where a value is not known.

    >>> share_of_distance(0.1, 0.4), share_of_distance(0.1, 1.05, 1.0), share_of_distance(0.1, None)
    (0.25, 1.0, 0.0)
    """
    if ceiling is None or simulated is None or recorded is None:
        return None if ceiling is None else 0.0
    distance = abs(simulated - recorded)
    return min(1.0, ceiling / distance) if distance > 0.0 else 1.0


def worst_first(rows: Sequence[CardRow]) -> list[CardRow]:
    """The three rows of the lowest share, then the others in their order.

    >>> rows = [CardRow("agreement", str(share), share, None, 1.0, share) for share in (0.9, 0.5, 0.2, 0.7, 0.8)]
    >>> [row.share for row in worst_first(rows)]
    [0.2, 0.5, 0.7, 0.9, 0.8]
    """
    known = [row for row in rows if row.share is not None]
    worst = sorted(known, key=lambda row: row.share or 0.0)[:WORST]
    return [*worst, *(row for row in rows if row not in worst)]
