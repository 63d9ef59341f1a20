"""Figures of an evaluation: trajectories, costs, cost components, paired gains, learning curves, impact.

Each takes plain arrays and dictionaries and hands back a :class:`~tercel.core.report.svg.Figure`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.estimate import Estimate
from tercel.core.report import palette
from tercel.core.report.cells import is_known
from tercel.core.report.formatting import format_count, format_number, format_percent
from tercel.core.report.interval_text import known_mean, verdict
from tercel.core.report.svg import Figure, finish_figure, name_rows, sketch, small_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Gain = TypeVar("Gain", bound=Estimate)
"""A number with its interval, and whatever says how it is called."""


def trajectories(
    time_s: ArrayLike,
    remaining: Mapping[str, ArrayLike],
    highlighted: Collection[str] = (),
    name: str = "trajectories",
) -> Figure:
    """Figure: share of the order left through time, mean and band of the middle 80 % of episodes, for each strategy.

    Parameters
    ----------
    time_s : array of shape (G,)
        Seconds since arrival.
    remaining : mapping of strategy to array of shape (n, G)
        Lots left as a share of the order, 1 at arrival, per episode.
    highlighted : collection of str
        Strategies drawn boldest.
    name : str
        Of the figure.
    """
    time = np.asarray(time_s, dtype=np.float64)
    shares = {
        key: np.atleast_2d(np.asarray(value, dtype=np.float64)) for key, value in remaining.items()
    }
    columns = min(4, max(1, len(shares)))
    rows = -(-len(shares) // columns)

    with sketch(0.6 + 1.75 * rows) as drawing:
        panels = small_panels(drawing, len(shares), columns, sharex=True, sharey=True)
        colours = palette.series_colours(shares, highlighted)
        means = {key: np.nanmean(value, axis=0) for key, value in shares.items()}
        for panel, (key, value) in zip(panels, shares.items(), strict=False):
            for mean in means.values():  # every other point: they are of other panels
                panel.plot(
                    time[::-2] / 60, 100 * mean[::-2], color=palette.RULE.token, linewidth=0.8
                )
            low, high = np.nanquantile(value, [0.1, 0.9], axis=0)
            colour = colours[key].token
            panel.fill_between(
                time / 60, 100 * low, 100 * high, color=colour, alpha=0.22, linewidth=0
            )
            panel.plot(
                time / 60, 100 * means[key], color=colour, linewidth=_width(key, highlighted)
            )
            panel.set(title=key, ylim=(-2, 102))
            panel.margins(x=0)
        for panel in panels[max(0, len(shares) - columns) :]:
            panel.tick_params(labelbottom=True)
        drawing.supxlabel("minutes since arrival", fontsize=9.5, color=palette.SOFT.token)
        drawing.supylabel("% of the order left", fontsize=9.5, color=palette.SOFT.token)

    ends = ", ".join(
        f"{key} {format_percent(float(np.nanmean(v[:, -1])))}" for key, v in shares.items()
    )
    return finish_figure(
        drawing,
        name,
        f"Share of the order left through time, one panel per strategy. Left just before the horizon: {ends}.",
        "Line: mean over episodes; band: the middle 80 % of them; thin lines: the other strategies' means. "
        "Lots that remain at the right edge are sent at market.",
    )


def cost_distributions(
    costs: Mapping[str, ArrayLike], name: str = "costs", highlighted: Collection[str] = ()
) -> Figure:
    """Figure: distribution of implementation shortfall over episodes, with median and mean, for each strategy.

    Parameters
    ----------
    costs : mapping of strategy to array of shape (n,)
        One value per episode, positive where it costs. NaN are left out.
    highlighted : collection of str
        Strategies drawn boldest.
    """
    values = {key: _finite(value) for key, value in costs.items()}
    values = {key: value for key, value in values.items() if value.size}
    everything = np.concatenate(list(values.values())) if values else np.zeros(1)
    low, high = np.quantile(everything, [0.005, 0.995])
    edge = 0.05 * max(high - low, 1e-9)

    with sketch(0.9 + 0.42 * max(1, len(values))) as drawing:
        panel = drawing.subplots()
        colours = palette.series_colours(values, highlighted)
        panel.axvline(0, color=palette.SOFT.token, linewidth=0.9)
        for row, (key, value) in enumerate(values.items()):
            strength = 0.75 if key in highlighted else 0.35
            _draw_violin(
                panel,
                row,
                value,
                colours[key].token,
                (float(low - edge), float(high + edge)),
                strength,
            )
        name_rows(panel, list(values))
        panel.set(
            xlim=(low - edge, high + edge),
            xlabel="implementation shortfall, bps (right: more expensive)",
        )

    summary = "; ".join(
        f"{key}: mean {value.mean():.2f}, median {np.median(value):.2f}"
        for key, value in values.items()
    )
    outside = float(np.mean((everything < low) | (everything > high)))
    return finish_figure(
        drawing,
        name,
        f"Distribution of implementation shortfall per episode in bps, one row per strategy. {summary}.",
        f"Shape: density over episodes; bar: the middle half; line in it: median; ring: mean. "
        f"The outermost {100 * outside:.1f} % of episodes lie beyond the edges.",
    )


def _width(key: str, highlighted: Collection[str]) -> float:
    """Line width of a strategy: widest if highlighted, wide if its name is of a trained policy, else thin."""
    return 2.6 if key in highlighted else 2.2 if palette.is_learned(key) else 1.3


def _draw_violin(
    panel: "Axes", row: int, value: Floats, colour: str, span: tuple[float, float], strength: float
) -> None:
    """Draw the density, the middle half, median and mean of values on a row of a panel."""
    grid = np.linspace(*span, 161)
    density = _density(value, grid)
    half = 0.40 * density / max(density.max(), 1e-300)
    panel.fill_between(grid, row - half, row + half, color=colour, alpha=strength, linewidth=0)
    first, median, third = np.quantile(value, [0.25, 0.5, 0.75])
    panel.plot([first, third], [row, row], color=colour, linewidth=5, solid_capstyle="butt")
    panel.plot([median, median], [row - 0.2, row + 0.2], color=palette.INK.token, linewidth=1.6)
    panel.plot(
        [value.mean()],
        [row],
        "o",
        markersize=6,
        markerfacecolor=palette.PAPER.token,
        markeredgecolor=palette.INK.token,
    )


def _density(value: Floats, grid: Floats) -> Floats:
    """Gaussian kernel density on the grid, not normalised, with Silverman's (1986, eq. 3.31) bandwidth, from a histogram."""
    step = grid[1] - grid[0]
    quartiles = np.quantile(value, [0.25, 0.75])
    spread = min(value.std(), (quartiles[1] - quartiles[0]) / 1.349) or value.std()
    width = max(0.9 * spread * value.size**-0.2, step)
    edges = np.append(grid - step / 2, grid[-1] + step / 2)
    counts, _ = np.histogram(value, bins=edges)
    weights: Floats = np.exp(-0.5 * ((grid[:, None] - grid[None, :]) / width) ** 2)
    return np.asarray(weights @ counts)


def decomposition(strategies: Mapping[str, Mapping[str, Estimate]]) -> Figure:
    """Figure: cost components of strategies as stacked bars of their means, and the shortfall with its interval.

    Parameters
    ----------
    strategies : mapping of strategy to key to Estimate
        The judged keys, in bps. Parts that are not available are left out, and the caption says so.
    """
    parts = [
        key
        for key in palette.COMPONENTS
        if any(known_mean(row.get(key)) not in (None, 0.0) for row in strategies.values())
    ]
    absent = [
        key
        for key in palette.COMPONENTS
        if strategies and all(known_mean(r.get(key)) is None for r in strategies.values())
    ]

    with sketch(1.25 + 0.42 * max(1, len(strategies))) as drawing:
        panel = drawing.subplots()
        panel.axvline(0, color=palette.SOFT.token, linewidth=0.9)
        for row, judged in enumerate(strategies.values()):
            ends = {1: 0.0, -1: 0.0}
            for key in parts:
                mean = known_mean(judged.get(key)) or 0.0
                sign = 1 if mean >= 0 else -1
                panel.barh(
                    row,
                    mean,
                    left=ends[sign],
                    height=0.62,
                    color=palette.COMPONENTS[key].token,
                    alpha=0.8,
                )
                ends[sign] += mean
            draw_whisker(panel, row, judged.get("is_bps"), palette.INK.token)
        for key in parts:
            panel.barh(
                0, 0, color=palette.COMPONENTS[key].token, alpha=0.8, label=key.removesuffix("_bps")
            )
        panel.plot([], [], "o", color=palette.INK.token, markersize=5, label="shortfall, 95 %")
        name_rows(panel, list(strategies))
        panel.set_xlabel("bps of the order's value at arrival")
        drawing.legend(loc="outside upper left", ncols=6, handlelength=1.1, columnspacing=1.4)

    summary = "; ".join(
        f"{key}: shortfall {known_mean(row.get('is_bps')) or 0.0:.2f} = "
        + " + ".join(
            f"{part.removesuffix('_bps')} {known_mean(row.get(part)) or 0.0:.2f}" for part in parts
        )
        for key, row in strategies.items()
    )
    missing = (
        f" Not available here: {', '.join(key.removesuffix('_bps') for key in absent)}."
        if absent
        else ""
    )
    return finish_figure(
        drawing,
        "decomposition",
        f"Mean cost in basis points, split into its parts, one bar per strategy. {summary}.",
        "Bars left of zero were earned, right of it paid; they add up to the dot exactly."
        + missing,
    )


def paired_differences(
    paired: Mapping[str, Gain],
    baseline: str,
    name: str = "paired",
    unit: str = "bps",
    judge: Callable[[Gain], str] | None = None,
) -> Figure:
    """Figure: gains over the best baseline on the same episodes, with intervals; right of zero is better.

    Parameters
    ----------
    paired : mapping of policy to Estimate
        Baseline's cost less the policy's, episode by episode.
    baseline : str
        Its name.
    judge : callable, optional
        "better", "worse" or "open" after the correction of all comparisons; by the interval alone if not given.
    """
    colours = {"better": palette.GOOD, "worse": palette.BAD, "open": palette.SOFT}
    grey = (
        "it holds zero"
        if judge is None
        else "no significant difference, after the correction for all comparisons"
    )

    with sketch(0.8 + 0.4 * max(1, len(paired))) as drawing:
        panel = drawing.subplots()
        panel.axvline(0, color=palette.INK.token, linewidth=1)
        for row, interval in enumerate(paired.values()):
            colour = colours[(judge or verdict)(interval)]
            draw_whisker(panel, row, interval, colour.token, size=8)
        name_rows(panel, list(paired))
        panel.set_xlabel(f"{unit} cheaper than {baseline} (right: better)")

    texts = {
        key: [
            format_number(value, missing="not available")
            for value in (row.mean, row.ci_low, row.ci_high)
        ]
        for key, row in paired.items()
    }
    summary = "; ".join(
        f"{key}: {mean} from {low} to {high}" for key, (mean, low, high) in texts.items()
    )
    return finish_figure(
        drawing,
        name,
        f"Paired difference to {baseline} with 95 % intervals, positive is better. {summary}.",
        f"Dot: mean over paired episodes; line: 95 % interval. Green: better, red: worse, grey: {grey}.",
    )


def learning_curves(
    curves: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]],
    baselines: Mapping[str, float] | None = None,
) -> Figure:
    """Figure: mean cost by frames of training, a thin line per training seed, a thick one for the mean; dashed baselines.

    Parameters
    ----------
    curves : mapping of learner to one (frames, value) pair of arrays per seed
        Values may hold NaN where nothing was measured.
    baselines : mapping of name to value, optional
        Level lines to compare with.
    """

    with sketch(3.4) as drawing:
        panel = drawing.subplots()
        colours = palette.series_colours(curves)
        for key, seeds in curves.items():
            pairs = [
                (np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)) for x, y in seeds
            ]
            colour = colours[key].token
            for frames, value in pairs if len(pairs) > 1 else []:
                panel.plot(frames / 1e3, value, color=colour, linewidth=0.9, alpha=0.45)
            if pairs:
                grid = np.linspace(max(x[0] for x, _ in pairs), min(x[-1] for x, _ in pairs), 200)
                mean = np.mean(
                    [np.interp(grid, x[np.isfinite(y)], y[np.isfinite(y)]) for x, y in pairs],
                    axis=0,
                )
                panel.plot(grid / 1e3, mean, color=colour, linewidth=2.2, label=key)
        for key, level in (baselines or {}).items():
            panel.axhline(level, color=palette.SOFT.token, linewidth=1, linestyle=(0, (4, 3)))
            panel.annotate(
                key,
                (1, level),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
                fontsize=8.5,
                color=palette.SOFT.token,
            )
        panel.margins(x=0)
        panel.set(xlabel="thousand frames", ylabel="mean cost, bps (down: better)")
        if curves:
            drawing.legend(loc="outside upper right", ncols=max(1, len(curves)))

    summary = ", ".join(
        f"{key} over {format_count(len(pairs), 'seed')}" for key, pairs in curves.items()
    )
    return finish_figure(
        drawing,
        "learning",
        f"Learning curves: {summary}.",
        "Thin: one training seed; thick: their mean. Dashed: what rules cost on the same market."
        if baselines
        else "Thin: one training seed; thick: their mean.",
    )


def impact_paths(
    time_s: ArrayLike, displacement_bps: Mapping[str, ArrayLike], highlighted: Collection[str] = ()
) -> Figure:
    """Figure: displacement of the mid by own trading through time, mean over paired episodes of s (m - m'), m' without
    own orders.

    Parameters
    ----------
    time_s : array of shape (G,)
        Seconds since arrival.
    displacement_bps : mapping of strategy to array of shape (G,)
        Positive: against the trader.
    highlighted : collection of str
        Strategies drawn boldest.
    """
    time = np.asarray(time_s, dtype=np.float64)
    paths = {key: np.asarray(value, dtype=np.float64) for key, value in displacement_bps.items()}

    with sketch(3.2) as drawing:
        panel = drawing.subplots()
        panel.axhline(0, color=palette.SOFT.token, linewidth=0.9)
        colours = palette.series_colours(paths, highlighted)
        lines = palette.dashes(colours)
        for key, path in paths.items():
            width = _width(key, highlighted)
            zorder = 3 if key in highlighted else 2
            panel.plot(
                time / 60,
                path,
                lines[key],
                color=colours[key].token,
                linewidth=width,
                label=key,
                zorder=zorder,
            )
        panel.margins(x=0)
        panel.set(xlabel="minutes since arrival", ylabel="displacement of the mid, bps")
        if paths:
            drawing.legend(loc="outside right upper")

    summary = ", ".join(f"{key} {path[-1]:.2f}" for key, path in paths.items() if path.size)
    return finish_figure(
        drawing,
        "impact",
        f"Mean displacement of the mid by own trading through time. At the end, in basis points: {summary}.",
        "The same market run with and without the order: mean difference of the two mids, against the trader.",
    )


def draw_whisker(
    panel: Any, row: int, interval: Estimate | None, colour: str, size: float = 5.5
) -> None:
    """Draw an estimate on a row of a panel: a line for its interval, a point for its mean."""
    if interval is None:
        return
    if interval.ci_low is not None and interval.ci_high is not None:
        panel.plot([interval.ci_low, interval.ci_high], [row, row], color=colour, linewidth=1.8)
    if is_known(interval.mean):
        panel.plot([interval.mean], [row], "o", color=colour, markersize=size)


def _finite(value: ArrayLike) -> Floats:
    """The finite values of an array, flattened, float64."""
    array = np.asarray(value, dtype=np.float64).ravel()
    return array[np.isfinite(array)]
