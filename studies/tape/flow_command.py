"""``python -m studies flow``: what hiding on a forecast saves, forecaster and thresholds of other symbols alone."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.tape import flow
from tercel.cli import print_json, print_table, say
from tercel.core import ConfigError, Estimate
from tercel.core.report import spelt
from tercel.lab.evaluation import Scores
from tercel.market.tape import Lake
from tercel.signals.flow import FlowDay
from tercel.signals.flow.train import read_days, steps

POOLED = "all"
HEADINGS = (
    "strategy", "symbol", "orders", "costs, bps", "saves, bps", "recalibrated", "saves on unscaled", "placebo",
    "sign flipped", "saves on placebo", "oracle of 30 s", "earned, %", "saves on the schedule",
)  # fmt: skip


def run(
    lakes: Sequence[Path], symbols: Sequence[str], strategies: Sequence[str], against: Sequence[str],
    bounds: Sequence[str], seed: int, as_json: bool, taught: Path | None = None,
) -> None:  # fmt: skip
    """Print the grid that thresholds were chosen from, and a table a bound."""
    days, homes = read_lakes(lakes, symbols)
    judged = [one for one in days if len(days[one]) >= flow.LEAST_DAYS]
    if len(judged) < 2:
        received = f"{', '.join(judged) or 'none'} of {', '.join(days) or 'none'}"
        expected = f"two symbols of {flow.LEAST_DAYS} days or more"
        raise ConfigError(expected, received, "name lakes of more days with --lake")
    learned_in = (
        {} if taught is None else {one: read_days(Lake(taught), [one])[one] for one in judged}
    )
    lessons: flow.Days = {**days, **learned_in}
    total = len(bounds) * len(judged) * (2 + len(strategies))
    with TemporaryDirectory() as kept, steps("judging", total) as step:
        study = _Study(days, lessons, homes, judged, against, Path(kept), seed, step)
        found = {bound: study.of(bound, strategies) for bound in bounds}
        shipped = flow.chosen(*(study.pooled[bound] for bound in bounds))
    if as_json:
        print_json({"bounds": found, "thresholds": shipped})
        return
    for bound, one in found.items():
        _show(bound, one)
    say(f"on all symbols, under the worse of all bounds: {shipped}")


def read_lakes(
    lakes: Sequence[Path], symbols: Sequence[str]
) -> tuple[flow.Days, Mapping[str, Lake]]:
    """Days by symbol, and the lake of each."""
    held = {about.symbol: lake for lake in map(Lake, lakes) for about in lake.list()}
    homes = {symbol: held.get(symbol, Lake(lakes[0])) for symbol in symbols or sorted(held)}
    days: dict[str, Sequence[FlowDay]] = {}
    for symbol, lake in homes.items():
        days |= read_days(lake, [symbol])
    return days, homes


class _Study:
    """Grounds, forecasters and scores of a study, each made once."""

    def __init__(
        self, days: flow.Days, lessons: flow.Days, homes: Mapping[str, Lake], judged: Sequence[str],
        against: Sequence[str], kept: Path, seed: int, step: Callable[[], None],
    ) -> None:  # fmt: skip
        self.against, self.lessons = against, lessons
        self.days, self.homes, self.judged, self.kept, self.seed, self.step = (
            days,
            homes,
            judged,
            kept,
            seed,
            step,
        )
        self.others = [one for one in days if one not in judged]
        self.pooled: dict[str, Scores] = {}

    def of(self, bound: str, strategies: Sequence[str]) -> dict[str, Any]:
        """The grid of every symbol, what each chose for the others, and what is judged."""
        grid = {symbol: self._grid(symbol, bound) for symbol in self.judged}
        at = {symbol: self._chosen(grid, symbol) for symbol in self.judged}
        self.pooled[bound] = flow.joined(list(grid.values()))
        return {
            "grid": {
                symbol: {
                    cell: _cell(flow.saved(scores, cell))
                    for cell in flow.cells("")
                    if cell != "base"
                }
                for symbol, scores in (grid | {POOLED: self.pooled[bound]}).items()
            },
            "thresholds": at,
            "judged": [row for name in strategies for row in self._rows(name, bound, at)],
        }

    def _chosen(self, grid: Mapping[str, Scores], without: str) -> str:
        return flow.chosen(
            flow.joined([scores for symbol, scores in grid.items() if symbol != without])
        )

    def _grid(self, symbol: str, bound: str) -> Scores:
        """Every cell on every day of a symbol, by forecasters of its other days."""
        dates, parts = [day.date for day in self.days[symbol]], []
        for fold in (0, 1):
            model = self._model(
                flow.without_days(self.days, symbol, dates[fold::2], self.others),
                f"{symbol}-{fold}",
            )
            here = flow.ground(self.homes[symbol], symbol, bound, dates[fold::2])
            parts.append(here.scores(flow.cells(model)))
            self.step()
        return flow.joined(parts)

    def _model(self, days: flow.Days, name: str) -> str:
        folder = self.kept / name
        return str(folder) if folder.exists() else flow.learned(days, folder, self.seed)

    def _rows(self, name: str, bound: str, at: Mapping[str, str]) -> list[dict[str, Any]]:
        found, slopes, opened = {}, {}, {}
        for symbol in self.judged:
            others = {one: found_ for one, found_ in self.lessons.items() if one != symbol}
            model = self._model(others, symbol)
            strategies, recipes = flow.rows(
                name, model, flow.thresholds_of(at[symbol]), self.against
            )
            slopes[symbol] = flow.walked_slopes(model, self.days[symbol])
            opened[symbol] = flow.opened(model, self.days[symbol], self.seed)
            dates = [day.date for day in self.days[symbol]]
            here = flow.ground(self.homes[symbol], symbol, bound, dates)
            found[symbol] = here.scores(strategies, recipes, self.days[symbol], slopes[symbol])
            self.step()
        whole = found | {POOLED: flow.joined(list(found.values()))}
        return [
            _row(name, symbol, scores, self.against)
            | {"slopes": slopes.get(symbol), "opened": opened.get(symbol)}
            for symbol, scores in whole.items()
        ]


def _row(name: str, symbol: str, scores: Scores, against: Sequence[str]) -> dict[str, Any]:
    saved = {
        row: flow.saved(scores, row)
        for row in ("flow", "recalibrated", "placebo", "flipped", "oracle")
    }
    return {
        "strategy": name, "symbol": symbol, "orders": len(scores), "bps": float(scores.mean("base").mean()),
        **{row: _cell(one) for row, one in saved.items()},
        "over_flow": _cell(flow.saved(scores, "recalibrated", "flow")),
        "over_placebo": _cell(flow.saved(scores, "flow", "placebo")),
        "on": {one: _cell(flow.saved(scores, "flow", one)) for one in ("schedule", *against)},
        "earned": saved["flow"].mean / saved["oracle"].mean,
    }  # fmt: skip


def _cell(one: Estimate) -> dict[str, float | None]:
    return {"mean": one.mean, "ci_low": one.ci_low, "ci_high": one.ci_high}


def _show(bound: str, found: Mapping[str, Any]) -> None:
    grid, shown = (
        found["grid"],
        ("flow", "recalibrated", "over_flow", "placebo", "flipped", "over_placebo", "oracle"),
    )
    lines = [
        (cell, *(_spelt(grid[symbol][cell]) for symbol in grid))
        for cell in next(iter(grid.values()))
    ]
    print_table(
        f"{bound}: saves of guarded+flow, bps, forecaster of the symbol's other days",
        ("cell", *grid),
        lines,
    )
    cells = [
        (*(row[key] for key in ("strategy", "symbol")), f"{row['orders']:,}", f"{row['bps']:.2f}",
         *(_spelt(row[key]) for key in shown), f"{100 * row['earned']:.0f}",
         *map(_spelt, row["on"].values()))
        for row in found["judged"]
    ]  # fmt: skip
    against = [f"on {one}" for one in list(found["judged"][0]["on"])[1:]]
    print_table(
        f"{bound}: forecaster and thresholds of the other symbols alone",
        (*HEADINGS, *against),
        cells,
    )
    for row in found["judged"]:
        slopes = list((row["slopes"] or {}).values())
        if slopes:
            told = f"{sum(slope > 0 for slope in slopes)} of {len(slopes)}"
            said = f"told on {told} days, last slope {slopes[-1]:.2f}; of other hours' forecasts {row['opened']:.0%}"
            say(f"{row['strategy']}, {row['symbol']}: {said}")
    chosen = "; ".join(f"without {symbol} {cell}" for symbol, cell in found["thresholds"].items())
    say(f"chosen, the interval that begins highest: {chosen}")


def _spelt(cell: Mapping[str, Any]) -> str:
    return spelt(Estimate.of(cell), "+")
