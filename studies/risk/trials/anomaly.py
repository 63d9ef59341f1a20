"""The anomaly score on trial."""

from collections.abc import Callable

import numpy as np

from studies.risk import figures, withdrawals
from studies.risk.stress import calm_of, depth_of, power_for
from studies.risk.trials.report import Table, TrialReport
from tercel.core import ConfigError
from tercel.core.report import Figure, format_number
from tercel.market.flow import registry
from tercel.market.simulator import Source, reactive
from tercel.signals.risk import StreamingAnomaly, alarm_starts, simulate

LEARNED_DAYS = 20


def found_anomaly(
    market: str, days: int, planted: int, seed: int, tell: Callable[[str], None]
) -> TrialReport:
    """The table of a simulated market; `tell` is given a line on the way."""
    if days < 1 or planted < 1:
        raise ConfigError(
            "at least one calm day and one withdrawal", f"{days} and {planted}", "ask for more"
        )
    source = reactive(registry.load(market))
    tell(f"learning what is calm from {LEARNED_DAYS} simulated days of {market}")
    score = StreamingAnomaly(calm_of(source, LEARNED_DAYS))
    verdict, leads = withdrawals.judge(source, score, planted, days, seed)
    rows = [
        ("withdrawals planted", planted),
        ("detected before the trough", f"{100 * verdict.detected_before_trough:.1f}%"),
        ("detected before half the depth was gone", f"{100 * verdict.detected_before_half:.1f}%"),
        ("lead to the trough, s (quartiles)", _quartiles(verdict.lead_s)),
        ("delay from the onset, s (quartiles)", _quartiles(verdict.delay_s)),
        ("calm days", days),
        ("false alarms a day", format_number(verdict.false_alarms_per_day)),
        ("calm days with a false alarm", verdict.false_alarm_days),
        ("depth left at the trough", f"{100 * verdict.depth_left:.0f}%"),
        ("alarm threshold, sd of calm", format_number(verdict.threshold)),
    ]
    notes = [
        "A simulated zero-intelligence market, days of 6.5 hours. A withdrawal raises cancels and thins limit orders, "
        "within 0 to 3 minutes, until depth settles at a third, for 2 to 5 minutes. The threshold was chosen on "
        f"{LEARNED_DAYS} other calm days; no withdrawal was shown to it. (The smoothing was chosen on withdrawals, "
        "those of seed 1 among them: judge it on another.)",
        "Real flow is burstier than this market: these false alarms are no forecast for a real one.",
    ]
    body = {"market": market, "seed": seed, **vars(verdict), "notes": notes}
    lead = f"{market}: {100 * verdict.detected_before_trough:.1f} % of {planted} withdrawals before their trough, "
    lead += f"{verdict.false_alarms_per_day:.2f} false alarms a day over {days} calm days."
    drawings = [
        _example(source, score, seed),
        figures.histogram("lead", "Lead of the alarm", leads, "s to the trough"),
    ]
    return TrialReport(
        "Anomaly score", lead, [Table(market, ("what", "found"), rows)], notes, drawings, body
    )


def _quartiles(values: tuple[float, float, float]) -> str:
    return " / ".join(format_number(value, 0) for value in values)


def _example(source: Source, score: StreamingAnomaly, seed: int) -> Figure:
    planted, rates = withdrawals.plant(np.random.default_rng(seed), power_for(source))
    seconds = simulate(source, rates, seed, 0)
    depth, scores = depth_of(seconds), score.scores(seconds)
    low, high = planted.onset - 600, planted.end + 600
    trough = planted.onset + int(np.argmin(depth[planted.onset : planted.end]))
    starts = [int(t) for t in alarm_starts(scores) if planted.onset <= t < high]
    marks = {"onset": planted.onset, "trough": trough, "end": planted.end}
    x = np.arange(low, high, dtype=np.float64)
    return figures.withdrawal(
        x, depth[low:high], scores[low:high], marks, starts[0] if starts else None
    )
