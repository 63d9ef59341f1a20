"""Charts of a score: real and simulated distributions, autocorrelations, response, distances with ceilings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tercel.core.jit import Floats
from tercel.core.report import palette
from tercel.core.report.svg import Figure, finish_figure, sketch, small_panels
from tercel.market.observed import Observed
from tercel.market.observed.event_columns import KINDS
from tercel.market.score.card import Distance, ScoreDraw
from tercel.market.score.conditional import given_spread, given_time
from tercel.market.score.sample import FOURTEEN, RESPONSE_LAGS, SD_SECONDS, Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REAL = palette.SERIES[1].token
SIMULATED = palette.SERIES[0].token
TRAIN = palette.SERIES[9].token
LOGGED = ("touch_depth", "deep_depth", "limit_size", "cancel_size", "market_size", "minute_volume")
UNITS = {
    "spread": "ticks",
    "imbalance": "bid share less ask share",
    "log_wait": "log10 seconds",
    "limit_distance": "ticks behind the best",
    "return_1s": "ticks",
    "return_10s": "ticks",
    "return_60s": "ticks",
}
KIND_LABELS = ("limit\nin", "limit\nbest", "limit\ndeep", "cancel\nbest", "cancel\ndeep", "market")


def pool_statistic(samples: Sequence[Sample], name: str) -> Floats:
    """One statistic of several samples together."""
    return np.concatenate([s.values[name] for s in samples])


def histogram_figure(score: ScoreDraw) -> Figure:
    """Histograms of the fourteen statistics, real over simulated."""
    simulated = [s for row in score.sims for s in row]

    with sketch(10.0) as drawing:
        panels = small_panels(drawing, len(FOURTEEN), 3)
        for panel, name in zip(panels, FOURTEEN, strict=True):
            _law(panel, name, pool_statistic(score.test, name), pool_statistic(simulated, name))
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return finish_figure(
        drawing,
        "laws",
        "Fourteen panels, one per statistic: the held-out tape's law as a filled shape and the simulated one as a line.",
        "Filled: held-out tape; line: simulated. Shares of events in even bins between the 0.5 % and 99.5 % points of "
        "the tape; sizes, depth and volume on a logarithmic scale.",
    )


def _law(panel: "Axes", name: str, real: Floats, simulated: Floats) -> None:
    """Draw histograms of one statistic, real and simulated, into a panel."""
    panel.set_title(name.replace("_", " "))
    panel.set_yticks([])
    if name == "event_mix":
        edges = np.arange(KINDS + 1) - 0.5
        panel.set_xticks(range(KINDS), KIND_LABELS, fontsize=6)
    elif name in LOGGED:
        low, high = np.quantile(np.log10(np.maximum(real, 1.0)), [0.005, 0.995])
        edges = 10.0 ** np.linspace(low - 0.05, high + 0.05, 33)
        panel.set_xscale("log")
        panel.xaxis.set_minor_formatter("")
        real = np.maximum(real, 1.0)
        simulated = np.maximum(simulated, 1.0)
    else:
        edges = _even_edges(real)
    for values, drawn_as in ((real, "filled"), (simulated, "line")):
        shares = np.histogram(values, edges)[0] / max(len(values), 1)
        if drawn_as == "filled":
            panel.stairs(shares, edges, fill=True, color=REAL, alpha=0.35, label="held-out tape")
        else:
            panel.stairs(shares, edges, color=SIMULATED, linewidth=1.4, label="simulated")
    panel.set_xlim(edges[0], edges[-1])
    panel.set_xlabel(UNITS.get(name, "shares" if name in LOGGED else ""), fontsize=7.5)


def _even_edges(real: Floats) -> Floats:
    """Even bins over the middle of the law; as wide as whole (or half) ticks where values are such."""
    low, high = np.quantile(real, [0.005, 0.995])
    doubled = real[:10_000] * 2.0
    if np.all(doubled == np.round(doubled)):
        step = 1.0 if np.all(real[:10_000] == np.round(real[:10_000])) else 0.5
        step *= max(1, int(np.ceil((high - low) / step / 40)))
        return np.asarray(np.arange(low - step / 2, high + step, step), np.float64)
    return np.linspace(low, high, 41)


def autocorrelation_figure(score: ScoreDraw) -> Figure:
    """Autocorrelations of absolute returns and of trade signs."""
    simulated = [s for row in score.sims for s in row]

    with sketch(2.9) as drawing:
        panels = drawing.subplots(1, 2)
        wanted = {
            "abs_return_acf": "absolute 1 s returns, lag in seconds",
            "sign_acf": "trade signs, lag in trades",
        }
        for panel, (name, title) in zip(panels, wanted.items(), strict=True):
            for samples, colour, label in _series(score, simulated):
                curve = np.mean([s.curves[name] for s in samples], axis=0)
                panel.plot(
                    np.arange(1, len(curve) + 1), curve, color=colour, label=label, linewidth=1.6
                )
            panel.set_xscale("log")
            panel.axhline(0, color=palette.RULE.token, linewidth=0.8)
            panel.set_title(title)
        panels[1].legend(frameon=False)
    return finish_figure(
        drawing,
        "memories",
        "Autocorrelation of absolute one-second returns and of trade signs, real and simulated.",
        "Autocorrelation by lag.",
    )


def _series(
    score: ScoreDraw, simulated: Sequence[Sample]
) -> list[tuple[Sequence[Sample], str, str]]:
    """Samples with colour and label: train (if any), held-out tape, and simulated."""
    train = [(score.train, TRAIN, "tape calibrated on")] if score.train else []
    return [*train, (score.test, REAL, "held-out tape"), (simulated, SIMULATED, "simulated")]


def response_figure(score: ScoreDraw) -> Figure:
    """Response of the mid to a trade, and volatility by horizon."""
    simulated = [s for row in score.sims for s in row]

    with sketch(2.9) as drawing:
        left, right = drawing.subplots(1, 2)
        for samples, colour, label in _series(score, simulated):
            left.plot(
                RESPONSE_LAGS,
                np.mean([s.response for s in samples], axis=0),
                "o-",
                ms=3,
                color=colour,
                label=label,
            )
            sd = np.sqrt(np.mean([[s.sd[h] ** 2 for h in SD_SECONDS] for s in samples], axis=0))
            right.plot(SD_SECONDS, sd / np.sqrt(SD_SECONDS), "o-", ms=3, color=colour)
        left.set_xscale("log")
        left.set_title("response to a trade, ticks")
        left.set_xlabel("trades later")
        left.set_ylim(bottom=min(0.0, left.get_ylim()[0]))
        left.legend(frameon=False)
        right.set_xscale("log")
        right.set_title("volatility: sd / root of the seconds, ticks")
        right.set_xlabel("seconds")
        right.set_ylim(bottom=0.0)
    return finish_figure(
        drawing,
        "moves",
        "Mean signed change of the mid after a trade by number of trades; volatility by horizon.",
        "Left: mean change of the mid in the direction of a trade. Right: flat where the mid is a random walk.",
    )


def distance_figure(distances: Mapping[str, Distance]) -> Figure:
    """L1 of each statistic beside both ceilings."""
    names = list(distances)

    with sketch(4.6) as drawing:
        panel = drawing.subplots()
        positions = np.arange(len(names))
        values = [distance.l1 or 0.0 for distance in distances.values()]
        panel.barh(positions, values, height=0.62, color=SIMULATED, alpha=0.75, label="simulated")
        days = [distance.floor_l1 for distance in distances.values()]
        together = [distance.pooled_floor_l1 for distance in distances.values()]
        for real, marker, colour, label in (
            (days, "|", palette.INK.token, "a real day"),
            (together, "d", REAL, "real days pooled"),
        ):
            if all(x is not None for x in real):
                panel.plot(
                    np.array(real, np.float64),
                    positions,
                    marker,
                    color=colour,
                    label=label,
                    markersize=8,
                )
        panel.set_yticks(positions, [n.replace("_", " ") for n in names])
        panel.invert_yaxis()
        panel.set_xlabel("L1 to the held-out tape (0 the same law, 1 nothing in common)")
        panel.legend(frameon=False, loc="lower right")
        panel.grid(axis="y", visible=False)
    return finish_figure(
        drawing,
        "ceilings",
        "L1 distance of each statistic to held-out tape: bars simulated, marks real against real.",
        "Bars: simulated. Marks: distance of other real days, the least that a model can be expected to reach.",
    )


def conditional_figure(score: ScoreDraw) -> Figure:
    """Means given the spread, and through the day."""
    simulated = [o for row in score.sim_observed for o in row]

    with sketch(4.6) as drawing:
        panels = drawing.subplots(2, 3).ravel()
        wanted = [("spread", n) for n in ("touch_depth", "limit_distance", "log_wait")]
        wanted += [("half hour", n) for n in ("spread", "minute_volume", "log_wait")]
        for panel, (given, name) in zip(panels, wanted, strict=True):
            for seen, colour, label in (
                (score.test_observed, REAL, "held-out tape"),
                (simulated, SIMULATED, "simulated"),
            ):
                panel.plot(
                    *_means_given(seen, name, given, score.clock_ns),
                    "o-",
                    ms=3,
                    color=colour,
                    label=label,
                )
            panel.set_title(f"{name.replace('_', ' ')}")
            panel.set_xlabel(
                "half hours since the opening" if given == "half hour" else f"{given}, ticks"
            )
        panels[0].legend(frameon=False)
    return finish_figure(
        drawing,
        "conditionals",
        "Means of statistics given the spread and through the day, real and simulated.",
        "Mean of each statistic within classes of the spread (deciles of the tape) or half hours.",
    )


def _means_given(
    seen: Sequence[Observed], name: str, given: str, clock_ns: int
) -> tuple[Floats, Floats]:
    """Classes and the mean of the statistic in each."""
    pairs = given_spread(seen, clock_ns) if given == "spread" else given_time(seen, clock_ns)
    values, condition = pairs[name]
    if given == "spread":
        cuts = np.unique(np.quantile(condition, np.linspace(0.0, 1.0, 11)[1:-1], method="lower"))
        classes = np.searchsorted(cuts, condition, side="left")
    else:
        classes = condition.astype(np.int64)
    weights = np.bincount(classes).astype(np.float64)
    occupied = weights > 0
    centres = np.bincount(classes, weights=condition)[occupied] / weights[occupied]
    return centres, np.bincount(classes, weights=values)[occupied] / weights[occupied]
