"""`python -m replications fischer-krauss`: an LSTM against a forest on daily stocks, by period, net of costs.

Fischer and Krauss (2018), "Deep learning with long short-term memory networks for financial market predictions",
European Journal of Operational Research 270. A study period is 750 days to learn from and 250 to trade in. The LSTM
sees 240 standardised daily returns, the others cumulated returns over 1 to 20, 40, 60, ... 240 days; the target is
whether the next day's return reaches the cross-section's median. Each day the 10 likeliest are bought and the 10 least
likely sold, at the close that makes the signal, and closed a day later.

Published figures are read from the working paper of the study (FAU Discussion Papers in Economics 11/2017), and where
that has none from the article's abstract.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from replications.kept_cells import cell_of, interval, measured, shown
from replications.lstm import LstmRegressor
from tercel.cli import print_json, print_sentences, print_table, say
from tercel.core import DataError, Floats, import_optional
from tercel.core.report import Figure, finish_figure, palette, sketch
from tercel.signals.models import family

STUDY: Final = "fischer-krauss"
TRAIN, TRADE, STEPS = 750, 250, 240
"""Days of a study period, and of a sequence (section 3.1, 3.2)."""
SPANS: Final = (*range(1, 21), *range(40, 241, 20))
"""Days that cumulated returns go back (section 3.2.1)."""
K: Final = 10
HALF_TURN: Final = 5e-4
"""One-way cost, bps; a day of the published strategy has four: two legs, opened and closed."""
ERAS: Final = {"to 2009": (0, 2009), "from 2010": (2010, 9999), "all": (0, 9999)}
NAMES: Final = {
    "lstm": "LSTM",
    "forest": "forest",
    "linear": "ridge (theirs: logistic)",
    "reversal": "5-day reversal",
}
PUBLISHED: Final[dict[str, dict[str, dict[str, float]]]] = {
    "all": {
        "lstm": {"before": 0.46, "after": 0.26, "accuracy": 54.3},
        "forest": {"before": 0.43, "after": 0.23, "accuracy": 53.8},
        "linear": {"before": 0.26, "after": 0.06, "accuracy": 52.2},
        "reversal": {"before": 0.23},
    },
    "to 2009": {"lstm": {"after": 100 * 4.0 / 2263}, "forest": {"after": 100 * 5.6 / 2263}},
    "from 2010": {"lstm": {"after": 0.0}, "forest": {"after": -100 * 1.0 / 1467}},
}
"""% a day. All: figure 3 and table 3, December 1992 to October 2015; reversal: the article's abstract. Periods: section
4.1.4 says what one dollar invested each day has paid after costs, 4 and 5.6 $ in 2001 to 2009, about nothing and more
than 1 $ lost in 2010 to October 2015; divided by 2,263 and 1,467 trading days here."""


@dataclass(frozen=True)
class Settings:
    """What is learned, and how long."""

    seed: int = 1
    rows: int = 24_000  # sequences of a training, drawn from some 235,000; 0: all
    epochs: int = 8
    patience: int = 3
    trees: int = 150


FULL: Final = Settings(rows=0, epochs=1000, patience=10, trees=1000)
"""As published; days of CPU."""


@dataclass(frozen=True)
class Prices:
    """Daily simple returns (T, N), NaN where a name is not listed; `years` (T,)."""

    returns: Floats
    years: Floats

    @property
    def starts(self) -> list[int]:
        """First day of each whole study period; their trading days do not overlap."""
        return list(range(1, len(self.returns) - TRAIN - TRADE + 1, TRADE))


def prices_of(data: Path) -> Prices:
    """Guarded daily returns of a file as `tercel signals` reads them, days on which less than half trade left out."""
    from tercel.signals import DailyFactors

    frame = DailyFactors(data, history=0, least_dollars=0.0).prices()
    wide = frame.pivot("instrument", index="date", values="close").sort("date")
    moves = frame.pivot("instrument", index="date", values="r").sort("date").drop("date").to_numpy()
    held = np.isfinite(wide.drop("date").to_numpy().astype(np.float64))
    returns = np.where(held, np.expm1(np.nan_to_num(moves.astype(np.float64))), np.nan)
    usual = held.sum(axis=1) >= 0.5 * np.median(held.sum(axis=1))
    found = Prices(returns[usual], np.array([day.year for day in wide["date"]], np.float64)[usual])
    if not found.starts or returns.shape[1] < 4 * K:
        text = f"{len(found.returns)} days of {returns.shape[1]} names in {data}"
        raise DataError(
            f"{TRAIN + TRADE} days of {4 * K} names or more", text, "name a longer file as `data=`"
        )
    return found


def cumulated(returns: Floats, days: Floats, names: Floats) -> Floats:
    """Cumulated returns over `SPANS` up to each (day, name), float64 (n, 31)."""
    logs = np.cumsum(np.log1p(np.nan_to_num(returns)), axis=0)
    padded = np.vstack([np.zeros((1, returns.shape[1])), logs])
    at = days.astype(int) + 1
    return np.stack(
        [np.expm1(padded[at, names] - padded[at - span, names]) for span in SPANS], axis=1
    )


def sequences(standard: Floats, days: Floats, names: Floats) -> Floats:
    """The 240 standardised returns up to each (day, name), oldest first, float64 (n, 240)."""
    back = days.astype(int)[:, None] - np.arange(STEPS - 1, -1, -1)
    return np.asarray(standard[back, names[:, None]])


def rows_of(returns: Floats, first: int, last: int) -> tuple[Any, Any]:
    """(day, name) of those listed for a whole sequence up to that day, by day, days `first` to `last` exclusive."""
    listed = np.isfinite(returns)
    behind = np.cumsum(listed, axis=0)
    whole = behind[STEPS - 1 :].copy()
    whole[1:] -= behind[:-STEPS]
    held = np.zeros_like(listed)
    held[STEPS - 1 :] = whole == STEPS
    days, names = np.nonzero(held[first:last])
    return days + first, names


def period(prices: Prices, start: int, s: Settings) -> dict[str, Any]:
    """Learn in 750 days and trade the next 250: for each method what a day brings, a whole study period."""
    returns = prices.returns[
        start : start + TRAIN + TRADE + 1
    ]  # a day more, where there is one: for what is bought late
    taught = returns[:TRAIN]
    standard = np.nan_to_num((returns - np.nanmean(taught)) / np.nanstd(taught))
    above = (returns >= np.nanmedian(returns, axis=1, keepdims=True)).astype(np.float64)
    days, names = rows_of(returns, STEPS - 1, TRAIN - 1)
    kept = np.isfinite(returns[days + 1, names])
    days, names = days[kept], names[kept]
    rng = np.random.default_rng((s.seed, start))
    if s.rows and s.rows < len(days):
        some = np.sort(
            rng.choice(len(days), s.rows, replace=False)
        )  # by day: the last fifth stops the training
        days, names = days[some], names[some]
    target = above[days + 1, names]
    asked, whose = rows_of(returns, TRAIN - 1, TRAIN + TRADE - 1)
    spans, later = cumulated(returns, days, names), cumulated(returns, asked, whose)
    mean, deviation = spans.mean(axis=0), spans.std(axis=0)
    scores = {"reversal": -later[:, SPANS.index(5)]}
    forest = family("forest").make(s.seed, n_estimators=s.trees, max_depth=20, max_features="sqrt")
    scores["forest"] = forest.fit(spans, target).predict(later)
    ridge = family("linear").make(alpha=100.0).fit((spans - mean) / deviation, target)
    scores["linear"] = ridge.predict((later - mean) / deviation)
    settings: dict[str, Any] = {
        "steps": STEPS,
        "hidden": 25,
        "epochs": s.epochs,
        "patience": s.patience,
        "batch": 256,
        "rate": 3e-3,
    }
    lstm = LstmRegressor(random_state=s.seed, **settings)
    with flushed():
        lstm.fit(sequences(standard, days, names), target)
    cuts = np.searchsorted(asked, np.arange(TRAIN - 1, TRAIN + TRADE, 25))
    scores["lstm"] = np.concatenate(
        [
            lstm.predict(sequences(standard, asked[a:b], whose[a:b]))
            for a, b in zip(cuts, [*cuts[1:], len(asked)], strict=True)
            if a < b
        ]
    )
    about = {"rows": len(days), "epochs": lstm.n_iter_, "names": len(np.unique(whose))}
    years = prices.years[start + TRAIN : start + TRAIN + TRADE]
    return {"years": years, "about": about} | {
        name: traded(returns, above, asked, whose, score, TRAIN - 1, TRADE)
        for name, score in scores.items()
    }


def traded(
    returns: Floats, above: Floats, days: Any, names: Any, score: Floats, first: int, count: int
) -> dict[str, list[float]]:
    """What ranking by `score` brings each day: % before costs, a day later, one-way turnover, share right.

    Bought at the close of the day that the score is of; `late`: at the next. `turned` counts only what changes.
    """
    out: dict[str, list[float]] = {"before": [], "late": [], "turned": [], "right": []}
    held = np.zeros(returns.shape[1])
    for day in range(first, first + count):
        here = slice(*np.searchsorted(days, [day, day + 1]))
        known = np.isfinite(returns[day + 1, names[here]])
        who, order = names[here][known], np.argsort(-score[here][known], kind="stable")
        top, low = who[order[:K]], who[order[-K:]]
        wanted = np.zeros(returns.shape[1])
        wanted[top], wanted[low] = 1 / K, -1 / K
        out["before"].append(100 * float(np.nansum(returns[day + 1] * wanted)))
        after = returns[day + 2] if day + 2 < len(returns) else np.full(returns.shape[1], np.nan)
        out["late"].append(
            100 * float(np.nansum(after * wanted)) if np.isfinite(after).any() else float("nan")
        )
        out["turned"].append(float(np.abs(wanted - held).sum()))
        out["right"].append(
            100 * float(np.mean([*above[day + 1, top], *(1 - above[day + 1, low])]))
        )
        held = wanted
    return out


@contextmanager
def flushed() -> Iterator[None]:
    """Denormal numbers as zero: gradients that vanish over 240 steps are such, and cost four times the rest."""
    torch = import_optional("torch", "learn")
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def judged(cells: Mapping[str, Mapping[str, Any]], without: Collection[int] = ()) -> dict[str, Any]:
    """Figures by era and method: % a day with Newey and West's intervals of one lag, as published.

    Days of the years in `without` are not judged.
    """
    years = np.concatenate([cell["years"] for cell in cells.values()])
    found: dict[str, Any] = {}
    for era, (low, high) in ERAS.items():
        inside = (years >= low) & (years <= high) & ~np.isin(years, list(without))
        if not inside.any():
            continue
        rows = {}
        for name in NAMES:
            all_days = {
                key: np.concatenate(
                    [np.array(cell[name][key], np.float64) for cell in cells.values()]
                )[inside]
                for key in ("before", "late", "turned", "right")
            }
            before, turned = all_days["before"], 100 * HALF_TURN * all_days["turned"]
            rows[name] = {
                "before": interval(before, 1),
                "after": interval(before - 400 * HALF_TURN, 1),
                "after_as_traded": interval(before - turned, 1),
                "late": interval(all_days["late"], 1),
                "accuracy": interval(all_days["right"], 1),
                "half_turns": float(all_days["turned"].mean()),
            }
        found[era] = {"days": int(inside.sum()), "methods": rows}
    return found


def run(
    data: Path, settings: Settings, out: Path, as_json: bool, without: Sequence[int] = ()
) -> None:
    """Print our figures beside the published ones, by era, and draw what the strategies earn."""
    import_optional("torch", "learn")
    prices = prices_of(data)
    names = {
        f"period-{int(prices.years[start + TRAIN])}-{start:05d}": start for start in prices.starts
    }
    asked = {**asdict(settings), "data": str(data), "days": len(prices.returns)}
    cells = measured(
        out / "cells",
        asked,
        {name: partial(period, prices, start, settings) for name, start in names.items()},
    )
    found = judged(cells, without)
    out.mkdir(parents=True, exist_ok=True)
    path = figure(cells, without).save(out)
    if as_json:
        about = {name: cell["about"] for name, cell in cells.items()}
        how = {"settings": asked, "without": without, "periods": about}
        print_json(
            {"study": STUDY, "published": PUBLISHED, "ours": found, **how, "figure": str(path)}
        )
    else:
        _print(found, len(names))
    say(f"figure  {path}")


def _print(found: Mapping[str, Any], periods: int) -> None:
    headings = (
        "% a day, k = 10", "era", "before costs: published", "ours", "after costs: published", "ours ", "as traded",
        "a day later, before costs", "right, %: published", "ours  ",
    )  # fmt: skip
    cells = []
    for era, part in found.items():
        for name, row in part["methods"].items():
            theirs = PUBLISHED[era].get(name, {})
            cells.append(
                (
                    NAMES[name], era, cell_of(theirs.get("before")), shown(row["before"]), cell_of(theirs.get("after")),
                    shown(row["after"]), f"{row['after_as_traded']['mean']:.2f}", shown(row["late"]),
                    cell_of(theirs.get("accuracy"), 1), f"{row['accuracy']['mean']:.1f}",
                )
            )  # fmt: skip
    print_table(f"{periods} study periods, 5 bps one-way", headings, cells, left_aligned={"era"})
    print_sentences(
        [
            "bought and sold at the close that makes the signal, as published; `a day later` at the next close",
            "survivors only: buying losers is flattered; read differences between methods and eras, not levels",
        ]
    )


def figure(cells: Mapping[str, Mapping[str, Any]], without: Collection[int] = ()) -> Figure:
    """Mean of a day by year and method, after costs; years of fewer than 100 days are left out."""
    years = np.concatenate([cell["years"] for cell in cells.values()])
    counted = zip(*np.unique(years, return_counts=True), strict=True)
    named = [int(year) for year, days in counted if days >= 100 and year not in without]
    with sketch(3.4) as drawing:
        panel = drawing.subplots()
        for place, (name, colour) in enumerate(zip(NAMES, palette.SERIES, strict=False)):
            day = (
                np.concatenate([np.array(cell[name]["before"]) for cell in cells.values()])
                - 400 * HALF_TURN
            )
            heights = [day[years == year].mean() for year in named]
            panel.bar(
                np.arange(len(named)) + 0.2 * (place - 1.5),
                heights,
                0.2,
                color=colour.token,
                label=NAMES[name],
            )
        panel.axhline(0.0, color=palette.INK.token, linewidth=0.8)
        panel.set_xticks(range(len(named)), [str(year) for year in named])
        panel.set_ylabel("% a day after costs")
        panel.legend(loc="upper right")
    return finish_figure(
        drawing,
        "fischer_krauss",
        "Mean of a day after costs by year: LSTM, forest, ridge and reversal.",
        "Ten bought and ten sold each day, 5 bps one-way, all closed each day; survivors only.",
    )


def settings_of(seed: int, full: bool) -> Settings:
    """The default's settings, or the published ones."""
    return replace(FULL if full else Settings(), seed=seed)
