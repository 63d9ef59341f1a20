"""Page of a training: gain on the rule, terms of the reward, health of the learner, configuration."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.report import svg
from tercel.core.report.svg import Figure, Section, finished, render, sketch
from tercel.execution.policies.policy import selection
from tercel.lab.evaluation.training_files import some_metrics
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.training import TrainingResult
from tercel.lab.learning.port import Metrics

TERMS = ("execution", "impact", "left")
# Panels beside each other.
MOST_ABREAST = 4


def write_page(folder: Path, config: AgentConfig, result: TrainingResult) -> Path:
    """Write ``report.html`` into the run folder and say where it is.

    Raises
    ------
    ConfigError
        The metrics of the training or of its looks are damaged or gone.
    """
    rows, checks = some_metrics(folder / "metrics.csv"), some_metrics(folder / "validation.csv")
    best, rule = result.look("best"), result.rule
    sections = [
        Section(
            "Learning",
            f"The greedy policy beside {rule} on {config.validation.episodes} fixed episodes of each market that are "
            f"neither trained on nor judged, each market bought and sold; the best of {result.looks} is selected.",
            figures=[learning(checks, rule), gains(checks, rule)],
        ),
        Section(
            "What it lives on",
            "Costs of the training episodes, sampled and not greedy: each term times its weight, whose sum is minus "
            "the reward. A term that falls while another rises was bought with it.",
            figures=[
                terms(rows, {name: float(getattr(config.reward, name)) for name in TERMS}),
                spread_of_moves(rows),
            ],
        ),
        Section("Configuration", facts=flat(config.model_dump())),
    ]
    outcome = unlearned(result)
    if best is not None and not outcome:
        outcome = (
            f"The selected policy costs {best.is_bps:.2f} bps where {rule} costs {best.rule_bps:.2f}: a gain of "
            f"{best.gain:.2f} +- {best.se:.2f} (one standard error) on validation episodes, of which it is the best "
            f"of {result.looks} validation checks: `tercel agent evaluate` judges it on others."
        )
    lead = f"{result.frames:,} decisions. {outcome}"
    facts = {
        "seed": result.seed,
        "trained on": "; ".join(
            f"{key}: {', '.join(map(str, v)) if isinstance(v, list) else v}"
            for key, v in result.trained_on.items()
        ),
        "Tercel": result.version,
    }
    path = folder / "report.html"
    text = render(f"Training of {config.name}", lead, sections, facts, "tercel agent train")
    path.write_text(text, encoding="utf-8")
    return path


def unlearned(result: TrainingResult) -> str:
    """Sentence that nothing was learned and the start is selected; "" where a checkpoint is."""
    best, start, rule, looks = result.look("best"), result.look("start"), result.rule, result.looks
    if best is None or start is None or best.frames > 0:
        return ""
    what = (
        (rule, "that rule itself") if best.is_bps == best.rule_bps else ("the first", "its start")
    )
    text = f"none of {looks} validation checks beat {what[0]}, so {what[1]} is the policy."
    return f"Nothing was learned: {text} {selection(start, result.look('best_checkpoint'), looks, True)}"


def flat(values: dict[str, Any], above: str = "") -> dict[str, object]:
    """A nested configuration as lines."""
    out: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            out |= flat(value, f"{above}{key}.")
        else:
            out[above + key] = str(value)
    return out


def _column(rows: Sequence[Metrics], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([row.get(name, np.nan) for row in rows])


def learning(checks: Sequence[Metrics], rule: str) -> Figure:
    """Figure of the validation cost against frames, the rule's beside it."""

    with sketch(3.4) as drawing:
        panel = drawing.subplots()
        frames, cost, error = (_column(checks, name) for name in ("frames", "is_bps", "se"))
        panel.plot(
            frames / 1e3,
            cost,
            color=svg.GOOD.token,
            linewidth=2.0,
            marker="o",
            markersize=3,
            label="policy",
        )
        panel.fill_between(
            frames / 1e3,
            cost - 2 * error,
            cost + 2 * error,
            color=svg.GOOD.token,
            alpha=0.15,
            linewidth=0,
        )
        panel.plot(
            frames / 1e3,
            _column(checks, "rule_bps"),
            color=svg.SOFT.token,
            linestyle=(0, (4, 3)),
            label=rule,
        )
        panel.set(xlabel="thousand decisions", ylabel="mean cost, bps (down: better)")
        drawing.legend(loc="outside upper right", ncols=2)

    return finished(
        drawing,
        "validation",
        f"Cost of the greedy policy on validation episodes against {rule}.",
        "Band: two standard errors of the paired difference to the rule.",
    )


def gains(checks: Sequence[Metrics], rule: str) -> Figure:
    """Figure of the paired gain, one line per market; with several choices of regimes a panel for each."""
    names = [key for key in checks[0] if key.startswith("gain_")] or ["gain"]
    panels: dict[str, dict[str, str]] = {}
    for name in names:
        market, _, law = name.removeprefix("gain_").partition(" ")
        panels.setdefault(law, {})[market] = name
    columns = min(len(panels), MOST_ABREAST)
    lines = math.ceil(len(panels) / columns)

    with sketch(0.6 + 2.2 * lines) as drawing:
        places = drawing.subplots(lines, columns, squeeze=False, sharex=True)
        colours = svg.series_colours(
            list(dict.fromkeys(market for row in panels.values() for market in row))
        )
        for panel, (law, row) in zip(places.flat, panels.items(), strict=False):
            for market, name in row.items():
                panel.plot(
                    _column(checks, "frames") / 1e3,
                    _column(checks, name),
                    color=colours[market].token,
                    marker="o",
                    markersize=3,
                    label=market,
                )
            panel.axhline(0, color=svg.SOFT.token, linewidth=1)
            panel.set_title(law, fontsize=9)
        for panel in list(places.flat)[len(panels) :]:
            panel.set_visible(False)
        for panel in places[-1]:
            panel.set_xlabel("thousand decisions")
        for panel in places[:, 0]:
            panel.set_ylabel("gain, bps (up: better)")
        if len(names) > 1:
            handles, labels = places[0, 0].get_legend_handles_labels()
            drawing.legend(handles, labels, loc="outside upper right", ncols=len(labels))

    return finished(
        drawing, "gains", f"Paired gain on {rule}.", f"Policy against {rule}, same episodes."
    )


def terms(rows: Sequence[Metrics], weights: dict[str, float]) -> Figure:
    """Figure of the weighted terms of the reward in training, smoothed."""

    with sketch(3.0) as drawing:
        panel = drawing.subplots()
        frames, colours = _column(rows, "frames") / 1e3, svg.series_colours(list(weights))
        for name, weight in weights.items():
            value = smooth(_column(rows, name) * weight)
            panel.plot(frames, value, color=colours[name].token, linewidth=1.8, label=name)
        panel.axhline(0, color=svg.SOFT.token, linewidth=1)
        panel.set(xlabel="thousand decisions", ylabel="weighted cost, ticks per lot")
        drawing.legend(loc="outside upper right", ncols=len(weights))

    return finished(drawing, "terms", "Terms of the reward.", "Means over ten updates.")


def spread_of_moves(rows: Sequence[Metrics]) -> Figure:
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
                _column(rows, "frames") / 1e3, smooth(_column(rows, name)), color=svg.SOFT.token
            )
            panel.set_title(name, fontsize=9)

    return finished(
        drawing, "health", f"Health of the training: {', '.join(names)}.", "By thousand decisions."
    )


def smooth(
    values: np.ndarray[Any, np.dtype[np.float64]], width: int = 10
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Running mean over the last `width` finite values."""
    out = np.full(len(values), np.nan)
    for i in range(len(values)):
        part = values[max(0, i + 1 - width) : i + 1]
        part = part[np.isfinite(part)]
        if len(part):
            out[i] = part.mean()
    return out
