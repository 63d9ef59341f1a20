"""Covariance estimators judged by the risk of their minimum-variance portfolios."""

import math
from datetime import date
from pathlib import Path

import numpy as np

from studies.risk import covariance, synthetic
from studies.risk.panel import read_panel
from studies.risk.trials.report import Table, TrialReport
from tercel.core import ConfigError
from tercel.core.report import format_number
from tercel.signals.risk import bars

FIRST = date(2002, 1, 2)
REBUILD = 21


def found(data: Path | None, names: int, window: int, seed: int) -> TrialReport:
    """The table of a panel, or of a synthetic market."""
    if names < 2 or window < 20:
        received = f"`names={names}`, `window={window}`"
        raise ConfigError("at least 2 names and a window of 20 days", received, "ask for more")
    notes = []
    if data is None:
        names, window = min(names, 100), min(window, 252)
        truth = synthetic.factor_covariance(names, seed)
        returns = synthetic.factor_returns(truth, window + 1008, seed + 1)
        first, what = window, f"synthetic factor market, {names} names"
        least = math.sqrt(252 / float(np.ones(names) @ np.linalg.solve(truth, np.ones(names))))
        notes += [
            synthetic.NOTE,
            f"With the true covariance the portfolio's volatility is {100 * least:.2f} %.",
        ]
    else:
        panel = read_panel(data)
        drawn = panel.draw(min(names, len(panel.names)), seed)
        returns, first = drawn.returns, max(drawn.since(FIRST), window)
        what = f"{len(drawn.names)} of {len(panel.names)} names, {drawn.days[first]} to {drawn.days[-1]}"
        notes += [
            f"{len(panel.left_out)} names left out: "
            + "; ".join(f"{name} ({why})" for name, why in sorted(panel.left_out.items())[:4])
            + (" ..." if len(panel.left_out) > 4 else ""),
            f"{panel.voided} single returns beyond {100 * (math.exp(0.5) - 1):.0f} % set to 0. A panel of names that "
            "are still there at its end holds survivors alone: read the differences, not the levels.",
        ]
    verdicts = covariance.judge(covariance.estimators(), returns, first, window, REBUILD)
    verdicts = sorted(verdicts, key=lambda one: one.volatility)
    rows = [
        (
            v.name,
            format_number(100 * v.volatility),
            format_number(v.t, 1, signed=True),
            format_number(v.leverage, 1),
            format_number(v.turnover, 2),
        )
        for v in verdicts
    ]
    title = f"{what}, window {window} days, rebuilt every {REBUILD}"
    headings = ("estimator", "risk, % a year", "t vs linear", "leverage", "turnover")
    notes.append(
        "Unconstrained minimum-variance portfolios out of sample, no costs. t: Newey-West, of squared daily returns "
        "less those of Ledoit-Wolf linear; below 0 is less risk. Turnover: mean sum of |change of weight| at a rebuild."
    )
    body = {
        "synthetic": data is None,
        "names": returns.shape[1],
        "days": len(returns) - first,
        "window": window,
        "seed": seed,
        "estimators": {
            v.name: {
                "volatility": v.volatility,
                "t": v.t,
                "leverage": v.leverage,
                "turnover": v.turnover,
            }
            for v in verdicts
        },
        "notes": notes,
    }
    best = verdicts[0]
    lead = f"{best.name}: {100 * best.volatility:.2f} % a year out of sample, the least of {len(verdicts)}."
    drawing = bars(
        "volatility",
        "Out-of-sample volatility",
        {v.name: 100 * v.volatility for v in verdicts},
        "% a year",
    )
    return TrialReport(
        "Covariance estimators", lead, [Table(title, headings, rows)], notes, [drawing], body
    )
