"""Value at Risk on trial, and the two regimes of volatility."""

from datetime import date
from pathlib import Path

import numpy as np

from studies.risk import figures, regimes, synthetic
from studies.risk.series import first_of_test, read_csv, read_sp500
from studies.risk.tail import tail_models
from studies.risk.trials.report import Table, TrialReport
from tercel.core.report import format_number
from tercel.signals.risk import DailySeries, judge, tails

LEVEL = 0.99
FIRST = date(2004, 1, 2)
LEAST = 1001


def _series(data: Path | None, seed: int) -> DailySeries:
    if data is None:
        return synthetic.gjr_series(3000, seed).series
    return read_csv(data) if data.is_file() else read_sp500(data)


def found_tail(data: Path | None, seed: int) -> TrialReport:
    """The table of a series of days."""
    series = _series(data, seed)
    returns = series.returns[1:]  # the first day has none
    days = series.days[1:]
    first = first_of_test(days, FIRST, LEAST)
    verdicts = judge(tail_models(), returns, first, LEVEL)
    expected = (1 - LEVEL) * (len(returns) - first)
    rows = [
        (v.name, v.tests.hits, format_number(v.tests.kupiec, 3), format_number(v.tests.independence, 3),
         format_number(v.tests.joint, 3), v.most_in_year, format_number(1e4 * v.pinball, 2), format_number(v.es_ratio))
        for v in verdicts
    ]  # fmt: skip
    headings = (
        *("model", "hits", "Kupiec p", "Christ. p", "joint p", "in 250 d"),
        *("pinball", "loss / ES"),
    )
    title = f"{series.name}, VaR {100 * LEVEL:g} %, {days[first]} to {days[-1]}, {len(returns) - first:,} days"
    notes = [synthetic.NOTE] if data is None else []
    notes += [
        f"{expected:.1f} hits expected. A model passes with p above .05 in both tests. Loss / ES: mean loss on the "
        "days of hits over the Expected Shortfall forecast for them; above 1 the shortfall was underestimated.",
        "In 250 d: most hits within 250 days. Pinball: quantile loss x 10,000.",
        "Volatility models are refitted on all the past every 63 days and filtered every day.",
    ]
    body = {
        "synthetic": data is None,
        "series": series.name,
        "level": LEVEL,
        "days": len(returns) - first,
        "expected_hits": expected,
        "models": {
            v.name: {"hits": v.tests.hits, "rate": v.tests.rate, "kupiec_p": v.tests.kupiec,
                     "christoffersen_p": v.tests.independence, "joint_p": v.tests.joint, "pinball": v.pinball,
                     "es_ratio": v.es_ratio, "most_in_250_days": v.most_in_year}
            for v in verdicts
        },
        "notes": notes,
    }  # fmt: skip
    drawing = tails(
        days[first:], returns[first:], {v.name: v.var for v in (verdicts[1], verdicts[-1])}
    )
    last = verdicts[-1].tests
    table = Table(title, headings, rows, leaves=("in 250 d", "joint p", "pinball", "loss / ES"))
    lead = f"{verdicts[-1].name}: {last.hits} hits for {expected:.1f} expected, Kupiec p {last.kupiec:.3f}."
    return TrialReport("Value at Risk on trial", lead, [table], notes, [drawing], body)


def found_regimes(data: Path | None, seed: int) -> TrialReport:
    """The table of the regime detectors."""
    notes = []
    if data is None:
        returns, truth = synthetic.regime_returns(3000, seed)
        series = synthetic.gjr_series(3001, seed)
        name, days, first = "synthetic two states", series.series.days[1:], 1500
        notes.append(synthetic.NOTE)
    else:
        read = _series(data, seed)
        name, returns, days = read.name, read.returns[1:], read.days[1:]
        first, truth = first_of_test(days, FIRST, regimes.LEAST_DAYS), None
    probability = regimes.regime_probabilities(returns, first, seed=seed)
    states = {
        "HMM, p > 0.5": probability > 0.5,
        f"HMM, {regimes.ENTER:g} on, {regimes.LEAVE:g} off": regimes.switched(probability),
        "EWMA > 1.15 x its median": regimes.ewma_rule(returns, first),
    }
    verdicts = [regimes.judge(key, state, returns[first:]) for key, state in states.items()]
    rows = [
        (v.name, format_number(100 * v.share, 0), format_number(100 * v.calm_sd, 1), format_number(100 * v.turbulent_sd, 1),
         format_number(v.ratio), format_number(v.switches_per_year, 1))
        for v in verdicts
    ]  # fmt: skip
    headings = ("detector", "days, %", "calm", "turbulent", "ratio", "switches a year")
    notes += [
        "Calm, turbulent: volatility in each state, % a year.",
        "State of day t from days up to t; it is measured on the next day. Refitted yearly on the past, "
        "filtered, never smoothed. It detects, it does not predict: an onset is the first large day itself.",
    ]
    if truth is not None:
        right = float(np.mean(states[verdicts[1].name] == truth[first:]))
        notes.append(
            f"With hysteresis the state is the true one on {100 * right:.1f} % of the days."
        )
    body = {
        "synthetic": data is None,
        "series": name,
        "days": len(returns) - first,
        "detectors": {
            v.name: {"share": v.share, "calm_sd": v.calm_sd, "turbulent_sd": v.turbulent_sd, "ratio": v.ratio,
                     "switches_per_year": v.switches_per_year}
            for v in verdicts
        },
        "probability_now": float(probability[-1]),
        "notes": notes,
    }  # fmt: skip
    title = f"{name}, {days[first]} to {days[-1]}, {len(returns) - first:,} days"
    drawing = figures.regimes(days[first:], returns[first:], probability, states[verdicts[1].name])
    lead = f"Volatility of the next day is {verdicts[1].ratio:.2f} times as high in the turbulent state."
    return TrialReport("Regimes", lead, [Table(title, headings, rows)], notes, [drawing], body)
