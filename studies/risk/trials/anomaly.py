"""The anomaly score on trial, and the posture through a stress."""

from collections.abc import Callable

import numpy as np

from studies.risk import figures, withdrawals
from studies.risk.trials.report import Table, TrialReport
from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.core.messages import Posture
from tercel.core.report.svg import Figure
from tercel.core.report.tables import fixed
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow import preset
from tercel.market.simulator.source import Source, reactive
from tercel.signals.risk.anomaly import StreamingAnomaly, alarm_starts
from tercel.signals.risk.meter import RiskMeter
from tercel.signals.risk.posture import PosturePolicy
from tercel.signals.risk.seconds import Second, simulate

LEARNED_DAYS = 20
STRESS_S = 2400


def found_anomaly(market: str, days: int, planted: int, seed: int, tell: Callable[[str], None]) -> TrialReport:
    """The table of a simulated market; `tell` is given a line on the way."""
    if days < 1 or planted < 1:
        raise ConfigError("at least one calm day and one withdrawal", f"{days} and {planted}", "ask for more")
    source = reactive(preset.load(market))
    tell(f"learning what is calm from {LEARNED_DAYS} simulated days of {market}")
    score = StreamingAnomaly(withdrawals.calm_of(source, LEARNED_DAYS))
    verdict, leads = withdrawals.judge(source, score, planted, days, seed)
    rows = [
        ("withdrawals planted", planted),
        ("detected before the trough", f"{100 * verdict.detected_before_trough:.1f}%"),
        ("detected before half the depth was gone", f"{100 * verdict.detected_before_half:.1f}%"),
        ("lead to the trough, s (quartiles)", _quartiles(verdict.lead_s)),
        ("delay from the onset, s (quartiles)", _quartiles(verdict.delay_s)),
        ("calm days", days),
        ("false alarms a day", fixed(verdict.false_alarms_per_day)),
        ("calm days with a false alarm", verdict.false_alarm_days),
        ("depth left at the trough", f"{100 * verdict.depth_left:.0f}%"),
        ("alarm threshold, sd of calm", fixed(verdict.threshold)),
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
    drawings = [_example(source, score, seed), figures.histogram("lead", "Lead of the alarm", leads, "s to the trough")]
    return TrialReport("Anomaly score", lead, [Table(market, ("what", "found"), rows)], notes, drawings, body)


def _quartiles(values: tuple[float, float, float]) -> str:
    return " / ".join(fixed(value, 0) for value in values)


def _example(source: Source, score: StreamingAnomaly, seed: int) -> Figure:
    planted, rates = withdrawals.plant(np.random.default_rng(seed), withdrawals.power_for(source))
    seconds = simulate(source, rates, seed, 0)
    depth, scores = withdrawals.depth_of(seconds), score.scores(seconds)
    low, high = planted.onset - 600, planted.end + 600
    trough = planted.onset + int(np.argmin(depth[planted.onset : planted.end]))
    starts = [int(t) for t in alarm_starts(scores) if planted.onset <= t < high]
    marks = {"onset": planted.onset, "trough": trough, "end": planted.end}
    x = np.arange(low, high, dtype=np.float64)
    return figures.withdrawal(x, depth[low:high], scores[low:high], marks, starts[0] if starts else None)


def stress_rates(power: float, seconds: int = STRESS_S) -> Floats:
    """The script: calm; from minute 15 depth falls to a third and market orders double, for 8 minutes; calm again."""
    t = np.arange(seconds)
    strength = np.clip((t - 900) / 60.0, 0.0, 1.0) * (t < 1380)
    rates = np.ones((seconds, 3))
    rates[:, 0] = withdrawals.LIMITS_DOWN ** (power * strength)
    rates[:, 1] = 2.0**strength
    rates[:, 2] = withdrawals.CANCELS_UP ** (power * strength)
    return rates


def found_posture(market: str, seed: int) -> TrialReport:
    """The posture, second by second, through a scripted stress, with a broken input at its end."""
    source = reactive(preset.load(market))
    meter = RiskMeter(market, withdrawals.calm_of(source, 5))
    policy = PosturePolicy(market)
    seconds = simulate(source, stress_rates(withdrawals.power_for(source)), seed)
    seconds[2100:2110] = np.nan  # a feed that fails for ten seconds
    rows, words, inputs = [], [], []
    for t, row in enumerate(seconds):
        at_ns = (t + 1) * NS_PER_SECOND
        state = meter.update(Second(*row.tolist()), at_ns)
        now = policy.update(state, at_ns)
        words.append((now.urgency, now.max_participation, now.size_multiplier))
        inputs.append((state.volatility_ratio, state.depth_ratio, state.anomaly))
        rows += [_row(t, now, change) for change in policy.changed]
    table, measured = np.array(words), np.array(inputs, np.float64)
    headings = ("minute", "urgency", "most part.", "size", "styles", "what changed")
    notes = [
        "Script: calm; from minute 15 cancels rise and limit orders thin until depth settles at a third, market orders "
        "double; from minute 23 calm again; at minute 35 the feed fails for ten seconds.",
        "What the posture is worth in cost of execution is measured where agents trade under it.",
    ]
    drawing = figures.posture(
        np.arange(len(seconds), dtype=np.float64),
        {"volatility / usual": measured[:, 0], "depth / usual": measured[:, 1], "anomaly / alarm": measured[:, 2]},
        {"urgency": table[:, 0], "max participation": table[:, 1], "size multiplier": table[:, 2]},
    )
    body = {
        "market": market,
        "seed": seed,
        "changes": [dict(zip(("minute", "what", "urgency", "max_participation", "size", "styles"), row, strict=True))
                    for row in rows],
        "notes": notes,
    }  # fmt: skip
    lead = f"{len(rows)} changes in {len(seconds) // 60} minutes of {market}."
    shown = [(f"{row[0]:.1f}", *(f"{cell:g}" for cell in row[2:5]), row[5], row[1]) for row in rows]
    return TrialReport(
        "Posture under stress", lead, [Table(market, headings, shown, left=(4, 5))], notes, [drawing], body
    )


def _row(second: int, now: Posture, change: str) -> tuple[float, str, float, float, float, str]:
    styles = "+".join(str(style.name).lower() for style in now.styles)
    return second / 60, change, now.urgency, now.max_participation, now.size_multiplier, styles
