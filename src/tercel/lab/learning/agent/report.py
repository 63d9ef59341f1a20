"""HTML page of a training: gain on the rule, terms of the reward, exploration and step size, configuration."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tercel.core.report import palette
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import Figure, finish_figure, sketch, small_panels
from tercel.execution.policies.training_outcome import selection_sentence
from tercel.lab.evaluation.training_files import read_metrics
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.run_folder import TrainingResult
from tercel.lab.learning.port import Metrics
from tercel.lab.learning.reward_terms import TERMS

# Panels beside each other.
MAX_COLUMNS = 4
EMPTY = ("", "None", "()", "[]", "{}")


def write_page(folder: Path, config: AgentConfig, result: TrainingResult) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    Raises
    ------
    ConfigError
        The metrics of the training or of its looks are damaged or gone.
    """
    rows = read_metrics(folder / "metrics.csv")
    checks = read_metrics(folder / "validation.csv")
    best = result.look("best")
    rule = result.rule
    sections = [
        Section(
            "Learning",
            f"The greedy policy beside {rule} on {config.validation.episodes} fixed episodes of each market that are "
            f"neither trained on nor judged, each market bought and sold; the best of {result.looks} is selected.",
            figures=[learning_figure(checks, rule), gains_figure(checks, rule)],
        ),
        Section(
            "What it lives on",
            "Costs of the training episodes, sampled and not greedy: each term times its weight, whose sum is minus "
            "the reward. A term that falls while another rises was bought with it.",
            figures=[
                terms_figure(
                    rows, {term.name: getattr(config.reward, term.name) for term in TERMS}
                ),
                health_figure(rows),
            ],
        ),
        Section("Configuration", facts=flatten(config.model_dump()), folded=True),
    ]
    outcome = outcome_sentence(result)
    if best is not None and not outcome:
        outcome = (
            f"The selected policy costs {best.is_bps:.2f} bps where {rule} costs {best.rule_bps:.2f}: a gain of "
            f"{best.gain:.2f} ± {best.se:.2f} (one standard error) on validation episodes, of which it is the best "
            f"of {result.looks} validation checks: `tercel agent evaluate` judges it on others."
        )
    facts = {
        "seed": result.seed,
        "trained on": "; ".join(
            f"{key}: {', '.join(map(str, v)) if isinstance(v, list) else v}"
            for key, v in result.trained_on.items()
        ),
        "Tercel": result.version,
    }
    path = folder / "report.html"
    text = render_page(
        f"Training of {config.name}",
        f"{result.frames:,} decisions. {outcome}",
        sections,
        facts,
        "tercel agent train",
    )
    path.write_text(text, encoding="utf-8")
    return path


def outcome_sentence(result: TrainingResult) -> str:
    """Sentence on which policy is kept, by its gain on other episodes; without these (risk aversion) only that nothing was
    learned, and empty if a checkpoint is selected.
    """
    best = result.look("best")
    start = result.look("start")
    if result.confirmation is not None:
        return result.confirmation.sentence(result.looks)
    if best is None or start is None or best.frames > 0:
        return ""
    reference = (
        (result.rule, "that rule itself")
        if best.is_bps == best.rule_bps
        else ("the first", "its start")
    )
    text = f"none of {result.looks} validation checks beat {reference[0]}, so {reference[1]} is the policy."
    return f"Nothing was learned: {text} {selection_sentence(start, result.look('best_checkpoint'), result.looks, True)}"


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, object]:
    """Flat dict of a nested configuration, with dotted keys and values as text, without those that are empty."""
    lines: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            lines |= flatten(value, f"{prefix}{key}.")
        elif str(value) not in EMPTY:
            lines[prefix + key] = str(value)
    return lines


def _column(rows: Sequence[Metrics], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Values of a column over rows of metrics, NaN where missing."""
    return np.array([row.get(name, np.nan) for row in rows])


def learning_figure(checks: Sequence[Metrics], rule: str) -> Figure:
    """Figure of the policy's validation cost over frames, beside the rule's."""

    with sketch(3.4) as drawing:
        panel = drawing.subplots()
        frames, cost, error = (_column(checks, name) for name in ("frames", "is_bps", "se"))
        panel.plot(
            frames / 1e3,
            cost,
            color=palette.GOOD.token,
            linewidth=2.0,
            marker="o",
            markersize=3,
            label="policy",
        )
        panel.fill_between(
            frames / 1e3,
            cost - 2 * error,
            cost + 2 * error,
            color=palette.GOOD.token,
            alpha=0.15,
            linewidth=0,
        )
        panel.plot(
            frames / 1e3,
            _column(checks, "rule_bps"),
            color=palette.SOFT.token,
            linestyle=(0, (4, 3)),
            label=rule,
        )
        panel.set(xlabel="thousand decisions", ylabel="mean cost, bps (down: better)")
        drawing.legend(loc="outside upper right", ncols=2)

    return finish_figure(
        drawing,
        "validation",
        f"Cost of the greedy policy on validation episodes against {rule}.",
        "Band: two standard errors of the paired difference to the rule.",
    )


def gains_figure(checks: Sequence[Metrics], rule: str) -> Figure:
    """Figure of the paired gain, one line per market; with several choices of regimes a panel for each."""
    names = [key for key in checks[0] if key.startswith("gain_")] or ["gain"]
    panels: dict[str, dict[str, str]] = {}
    for name in names:
        market, _, law = name.removeprefix("gain_").partition(" ")
        panels.setdefault(law, {})[market] = name
    columns = min(len(panels), MAX_COLUMNS)

    with sketch(0.6 + 2.2 * math.ceil(len(panels) / columns)) as drawing:
        shown = small_panels(drawing, len(panels), columns, sharex=True)
        colours = palette.series_colours(
            list(dict.fromkeys(market for row in panels.values() for market in row))
        )
        for panel, (law, row) in zip(shown, panels.items(), strict=True):
            for market, name in row.items():
                panel.plot(
                    _column(checks, "frames") / 1e3,
                    _column(checks, name),
                    color=colours[market].token,
                    marker="o",
                    markersize=3,
                    label=market,
                )
            panel.axhline(0, color=palette.SOFT.token, linewidth=1)
            panel.set_title(law, fontsize=9)
        drawing.supxlabel("thousand decisions", fontsize=9.5, color=palette.SOFT.token)
        drawing.supylabel("gain, bps (up: better)", fontsize=9.5, color=palette.SOFT.token)
        if len(names) > 1:
            handles, labels = shown[0].get_legend_handles_labels()
            drawing.legend(handles, labels, loc="outside upper right", ncols=len(labels))

    return finish_figure(
        drawing, "gains", f"Paired gain on {rule}.", f"Policy against {rule}, same episodes."
    )


def terms_figure(rows: Sequence[Metrics], weights: dict[str, float]) -> Figure:
    """Figure of the weighted terms of the reward in training, smoothed."""

    with sketch(3.0) as drawing:
        panel = drawing.subplots()
        frames = _column(rows, "frames") / 1e3
        colours = palette.series_colours(list(weights))
        for name, weight in weights.items():
            value = smooth(_column(rows, name) * weight)
            panel.plot(frames, value, color=colours[name].token, linewidth=1.8, label=name)
        panel.axhline(0, color=palette.SOFT.token, linewidth=1)
        panel.set(xlabel="thousand decisions", ylabel="weighted cost, ticks per lot")
        drawing.legend(loc="outside upper right", ncols=len(weights))

    return finish_figure(drawing, "terms", "Terms of the reward.", "Means over ten updates.")


def health_figure(rows: Sequence[Metrics]) -> Figure:
    """Figure of exploration and step size: sigma or entropy, KL and the share of clipped steps."""
    names = [
        name
        for name in ("sigma", "entropy", "epsilon", "kl", "clipped", "learning_rate")
        if name in rows[0]
    ]

    with sketch(2.2) as drawing:
        panels = np.atleast_1d(drawing.subplots(1, len(names)))
        for panel, name in zip(panels, names, strict=True):
            panel.plot(
                _column(rows, "frames") / 1e3, smooth(_column(rows, name)), color=palette.SOFT.token
            )
            panel.set_title(name, fontsize=9)

    return finish_figure(
        drawing, "health", f"Health of the training: {', '.join(names)}.", "By thousand decisions."
    )


def smooth(
    values: np.ndarray[Any, np.dtype[np.float64]], width: int = 10
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Mean of the finite ones among the last `width` values at each place; NaN where there are none."""
    series = pl.Series(values).fill_nan(None)
    return series.rolling_mean(width, min_samples=1).to_numpy()
