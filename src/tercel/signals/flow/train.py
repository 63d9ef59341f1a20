"""Training of a forecaster: walked forward by day, with each symbol left out once, calibrated on what it never saw."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, check_known
from tercel.core.extras import needed
from tercel.core.progress import progress
from tercel.core.report import svg
from tercel.core.report.svg import Figure, Section, finished, render, sketch, small_panels
from tercel.core.report.tables import fixed, plain_table
from tercel.core.serialization import Record, to_jsonable
from tercel.execution.foresight.forecaster import (
    FEATURES,
    HORIZONS,
    Forecaster,
    SimulatedMarket,
    save,
)
from tercel.market.flow.preset import load, names
from tercel.market.score.card import stored_lessons
from tercel.market.tape.lake import Lake
from tercel.signals.flow.days import (
    Accuracy,
    Bin,
    FlowDay,
    ScoredSymbol,
    accuracy,
    ages,
    deciles,
    read_day,
    scored,
)

# -- trees ----------------------------------------------------------------------------------------
# Models of the next move: LightGBM's trees, or a line, as the arrays that the compiled walker reads.

KINDS: Final = ("boosting", "linear")
CLIP: Final = 6.0
"""Standard deviations at which moves are clipped for training."""
RIDGE: Final = 1e-3
_BOOSTING: Final[dict[str, Any]] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 300,
    "lambda_l2": 30.0,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "feature_fraction": 0.5,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
ROUNDS: Final = 80


class DumpedNode(msgspec.Struct):
    """A node of LightGBM's dump; a leaf has no feature and nothing below it."""

    split_feature: int = -1
    threshold: float = 0.0
    leaf_value: float = 0.0
    left_child: "DumpedNode | None" = None
    right_child: "DumpedNode | None" = None


@dataclass
class Trees:
    """Trees end to end, as lists, and the line beside them."""

    line: Floats = field(default_factory=lambda: np.zeros(1 + FEATURES))
    roots: list[int] = field(default_factory=list)
    nodes: list[tuple[int, int, float]] = field(default_factory=list)
    """Feature, or -1 of a leaf; number of the node on the right; threshold, or what a leaf says."""

    def add(self, node: DumpedNode) -> int:
        """Add a node of LightGBM's dump and its subtree; return its number."""
        at = len(self.nodes)
        if node.left_child is None or node.right_child is None:
            self.nodes.append((-1, 0, node.leaf_value))
            return at
        self.nodes.append((0, 0, 0.0))
        self.add(node.left_child)
        right = self.add(node.right_child)
        self.nodes[at] = node.split_feature, right, node.threshold
        return at


def fit(kind: str, x: Floats, y: Floats, weight: Floats, seed: int) -> Trees:
    """A model of scaled moves `y` (n,), oriented as the features `x` (n, FEATURES), by weighted squares."""
    y, out = np.clip(y, -CLIP, CLIP), Trees()
    if kind == "linear":
        mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
        z = np.column_stack([np.ones(len(x)), (x - mean) / scale])
        gram = (z * weight[:, None]).T @ z + RIDGE * weight.sum() * np.eye(z.shape[1])
        found = np.linalg.solve(gram, (z * weight[:, None]).T @ y)
        out.line[1:] = found[1:] / scale
        out.line[0] = found[0] - mean @ out.line[1:]
        return out
    booster = boosted(x, y, weight, seed)
    out.roots += [
        out.add(msgspec.convert(tree["tree_structure"], DumpedNode))
        for tree in booster.dump_model()["tree_info"]
    ]
    return out


def boosted(x: Floats, y: Floats, weight: Floats, seed: int) -> Any:
    """LightGBM's booster of the same."""
    lightgbm = needed("lightgbm")
    return lightgbm.train(_BOOSTING | {"seed": seed}, lightgbm.Dataset(x, y, weight=weight), ROUNDS)


def joined(models: Sequence[Trees]) -> dict[str, Any]:
    """The models of all horizons as the arrays of a forecaster."""
    roots: list[int] = []
    nodes: list[tuple[int, int, float]] = []
    ends = [0]
    for one in models:
        base = len(nodes)
        roots += [root + base for root in one.roots]
        nodes += [(what, right + base, value) for what, right, value in one.nodes]
        ends.append(len(roots))
    feature, right, value = zip(*nodes, strict=True) if nodes else ((-1,), (0,), (0.0,))
    return {
        "feature": np.array(feature, np.int32),
        "right": np.array(right, np.int32),
        "value": np.array(value, np.float64),
        "roots": np.array(roots, np.int64),
        "ends": np.array(ends, np.int64),
        "lines": np.stack([one.line for one in models]),
    }


# -- train ----------------------------------------------------------------------------------------

FORWARD: Final = 0.6
"""Share of a symbol's days that are trained on where the others are forecast."""
LEVELS: Final = (0.8, 0.95)
"""Of the intervals."""
LEAST: Final = 500
"""Samples below which nothing is learned."""
Days = Sequence[FlowDay]
Said = tuple[Floats, Floats]
"""Forecasts of samples, and what came."""
Measured = TypeVar("Measured")


@dataclass(frozen=True)
class TrainedSymbol(Record):
    """Days of a symbol that were trained on, those that resampled ones are made of, and by horizon how models did on
    later days (`forward`) and without the symbol (`stranger`).
    """

    optional = ("made_of",)

    days: list[str]
    samples: int
    made_of: Sequence[str]
    forward: dict[str, Accuracy]
    stranger: dict[str, Accuracy]
    reliability: dict[str, list[Bin]]


@dataclass(frozen=True)
class FlowTraining(Record):
    """A forecaster that was trained: its folder, hash and number of trees, and what its card says."""

    optional = ("simulated",)

    out: Path
    model: str
    trees: int
    kind: str
    seed: int
    symbols: dict[str, TrainedSymbol]
    levels: Sequence[float]
    widths: list[list[float]]
    simulated: dict[str, SimulatedMarket]


@contextmanager
def steps(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar of so many steps."""
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def read_days(
    lake: Lake, symbols: Sequence[str], dates: Sequence[str] = ()
) -> dict[str, list[FlowDay]]:
    """All days of some symbols that a lake has, or those of some dates.

    Raises
    ------
    DataError
        A symbol without trades, or without a quarter of an hour of two-sided quotes.
    """
    wanted = [
        (one, date) for one in symbols for date in lake.days(one) if not dates or date in dates
    ]
    days: dict[str, list[FlowDay]] = {one: [] for one in symbols}
    with steps("reading days", len(wanted)) as step:
        for symbol, date in wanted:
            days[symbol].append(read_day(lake, symbol, date))
            step()
    for symbol, found in days.items():
        if not sum(day.volume for day in found):
            raise DataError(
                "a tape with trades", f"{symbol} without any", "import a feed that tells of trades"
            )
        if not sum(len(day.x) for day in found):
            raise DataError(
                "days with two-sided quotes for longer than a quarter of an hour",
                f"none of {symbol}",
                "import longer days, or other symbols",
            )
    return {symbol: [day for day in found if len(day.x)] for symbol, found in days.items()}


def stacked(days: Days, horizon_s: int) -> tuple[Floats, Floats]:
    """Features and scaled moves of all samples whose move is known."""
    x = np.concatenate([day.x for day in days]) if days else np.zeros((0, FEATURES))
    y = np.concatenate([day.scaled(horizon_s) for day in days]) if days else np.zeros(0)
    known = np.isfinite(y)
    return x[known], y[known]


def fitted(kind: str, groups: Sequence[Days], horizon_s: int, seed: int) -> Trees:
    """A model of the days of some symbols; a symbol weighs as the root of its samples."""
    parts = [part for days in groups if len((part := stacked(days, horizon_s))[1])]
    weight = np.concatenate([np.full(len(y), len(y) ** -0.5) for _, y in parts])
    x, y = (np.concatenate([part[j] for part in parts]) for j in range(2))
    return fit(kind, x, y, weight / weight.mean(), seed)


def forecaster_of(
    models: Sequence[Trees], scale: Floats | None = None, card: dict[str, Any] | None = None
) -> Any:
    """A forecaster of the models of all horizons, uncalibrated where no scale is given."""
    whole = np.ones((len(HORIZONS), 2)) if scale is None else scale
    return Forecaster(scale=whole, card=card or {}, **joined(models))


def halves(days: Days) -> tuple[Days, Days]:
    """Split days into those to train on and later ones to forecast; a single day leaves none to forecast."""
    cut = max(round(FORWARD * len(days)), 1)
    return days[:cut], days[cut:]


def calibration(found: Sequence[tuple[Floats, Floats]]) -> tuple[list[float], list[float]]:
    """Slope of moves on forecasts and the error's standard deviation; half-widths of intervals in such deviations.

    Parameters
    ----------
    found : sequence of (float64 (n,), float64 (n,))
        Forecasts and moves of each symbol, none of which was trained on.
    """
    weight = np.concatenate([np.full(len(y), len(y) ** -0.5) for _, y in found])
    said, y = (np.concatenate([part[j] for part in found]) for j in range(2))
    square = float((weight * said * said).sum())
    slope = min(max(float((weight * said * y).sum()) / square, 0.0), 1.5) if square > 0 else 0.0
    error = y - slope * said
    sd = float(np.sqrt((weight * error * error).sum() / weight.sum()))
    order = np.argsort(np.abs(error))
    share = np.cumsum(weight[order]) / weight.sum()
    places = [min(int(np.searchsorted(share, level)), len(order) - 1) for level in LEVELS]
    return [slope, sd], [float(np.abs(error)[order][place]) / sd for place in places]


def train(
    lake: Lake,
    symbols: Sequence[str],
    out: Path,
    seed: int = 1,
    kind: str = "boosting",
    dates: Sequence[str] = (),
) -> FlowTraining:
    """Train a forecaster on some symbols and save it; how it did on days and symbols that it never saw.

    All days of the lake are trained on where no `dates` are named.

    Raises
    ------
    DataError
        Tapes that nothing can be learned from.
    """
    check_known(kind, KINDS, said=f"kind {kind!r}")
    days = read_days(lake, symbols, dates)
    samples = sum(len(day.x) for found in days.values() for day in found)
    if samples < LEAST:
        raise DataError(
            f"{LEAST:,} samples or more", f"{samples:,} of {', '.join(symbols)}", "import more days"
        )
    with steps("training", len(HORIZONS) * (2 + (len(days) if len(days) > 1 else 0))) as step:
        learned = [learn(kind, days, h, seed, step) for h in HORIZONS]
    about = {}
    for one, found in days.items():
        dates = [day.date for day in found]
        unseen = [each[2] or each[1] or each[3] for each in learned]
        about[one] = TrainedSymbol(
            days=dates,
            samples=sum(len(day.x) for day in found),
            made_of=lake.behind(one, dates),
            forward=_by_horizon(accuracy, [each[1] for each in learned], one),
            stranger=_by_horizon(accuracy, [each[2] for each in learned], one),
            reliability=_by_horizon(deciles, unseen, one),
        )
    calibrated = [calibration(list((each[2] or each[1] or each[3]).values())) for each in learned]
    widths = [width for _, width in calibrated]
    made = simulated(lake, about)
    card: dict[str, Any] = {"kind": kind, "seed": seed, "symbols": about}
    card |= {"levels": LEVELS, "widths": widths} | ({"simulated": made} if made else {})
    card = to_jsonable(card)
    whole = forecaster_of(
        [each[0] for each in learned], np.array([both for both, _ in calibrated]), card
    )
    last = [read_day(lake, one, found[-1].date, 1) for one, found in days.items()]
    saved = save(out, replace(whole, card=card | {"age": asdict(ages(whole, last))}))
    return FlowTraining(out, saved.id, len(saved.roots), kind, seed, about, LEVELS, widths, made)


def _by_horizon(
    measure: Callable[[Floats, Floats], Measured], said: Sequence[Mapping[str, Said]], symbol: str
) -> dict[str, Measured]:
    """A measure of what each horizon's model said of a symbol, where it said anything."""
    return {
        str(h): measure(*each[symbol])
        for h, each in zip(HORIZONS, said, strict=True)
        if symbol in each
    }


def simulated(lake: Lake, symbols: Mapping[str, TrainedSymbol]) -> dict[str, SimulatedMarket]:
    """The markets of symbols whose days were simulated, and their carry to tape: None where no card knows of one."""
    found = {}
    for symbol, about in symbols.items():
        for date in about.days:
            if market := lake.instrument(symbol, date).extra.get("preset"):
                lessons = (
                    stored_lessons(load(market).card.get("teaches")) if market in names() else None
                )
                found[symbol] = SimulatedMarket(market, lessons.carry if lessons else None)
    return found


def learn(
    kind: str, days: Mapping[str, Days], horizon_s: int, seed: int, step: Callable[[], None]
) -> tuple[Trees, dict[str, Said], dict[str, Said], dict[str, Said]]:
    """The model of all days; what models of earlier days said of later ones, of the other symbols of each, and of the
    days that they were trained on."""
    early = fitted(kind, [halves(found)[0] for found in days.values()], horizon_s, seed)
    step()
    later = {
        one: forecasts_and_moves(early, halves(found)[1], horizon_s)
        for one, found in days.items()
        if halves(found)[1]
    }
    strangers = {}
    for one in days if len(days) > 1 else ():
        others = fitted(
            kind, [found for name, found in days.items() if name != one], horizon_s, seed
        )
        strangers[one] = forecasts_and_moves(others, days[one], horizon_s)
        step()
    whole = fitted(kind, list(days.values()), horizon_s, seed)
    step()
    seen = {
        one: forecasts_and_moves(early, halves(found)[0], horizon_s) for one, found in days.items()
    }
    return whole, later, strangers, seen


def forecasts_and_moves(model: Trees, days: Days, horizon_s: int) -> tuple[Floats, Floats]:
    """Forecasts of a model and moves, for the samples of some days."""
    x, y = stacked(days, horizon_s)
    return forecaster_of([model] * len(HORIZONS)).raw(x, horizon_s), y


# -- run ------------------------------------------------------------------------------------------
# What `tercel signals flow score` prints.


@dataclass(frozen=True)
class FlowScore:
    """A forecaster on the days of some symbols: its hash, the version of its features, a card a symbol."""

    model: str
    features: int
    symbols: dict[str, ScoredSymbol]


def score(forecaster: Forecaster, lake: Lake, symbols: Sequence[str]) -> FlowScore:
    """The card of a forecaster on the days of some symbols that it was neither trained on nor recalibrated by.

    Raises
    ------
    DataError
        When it was trained on all days of a symbol.
    """
    cards = {}
    for symbol in symbols:
        dates = list(lake.days(symbol))
        fresh = [date for date in dates if date not in forecaster.seen.get(symbol, ())]
        if not fresh:
            raise DataError(
                f"days of {symbol} that {forecaster.id} was not trained on",
                f"{len(dates)} that it was",
                "import other days, or train on fewer",
            )
        days = read_days(lake, [symbol], fresh)[symbol]
        cards[symbol] = scored(forecaster.of(symbol), days, len(dates) - len(fresh))
    return FlowScore(forecaster.id, forecaster.facts.features, cards)


Table = tuple[str, tuple[str, ...], list[tuple[Any, ...]]]
"""Title, headings and rows."""


def trained_table(found: FlowTraining) -> Table:
    """Table of a training's skill on later days and on symbols that it never saw."""
    rows = []
    for symbol, one in found.symbols.items():
        for what, said in (("later days", one.forward), ("never seen", one.stranger)):
            rows += [(symbol, what, f"{h} s", *_figures(each)) for h, each in said.items()]
    return "out of sample", ("symbol", "on", "ahead", "R², %", "AUC", "slope"), rows


def scored_table(found: FlowScore) -> Table:
    """The card of a forecaster, one row per symbol and horizon."""
    rows = []
    for symbol, one in found.symbols.items():
        for h, each in one.horizons.items():
            r2, area, slope = _figures(each)
            coverage = ", ".join(f"{100 * share:.0f}" for share in each.coverage.values())
            rows.append(
                (
                    symbol,
                    f"{h} s",
                    f"{r2}{_range(each.r2_ci, 100)}",
                    f"{area}{_range(each.auc_ci, 1)}",
                    fixed(each.queue_auc, 3),
                    slope,
                    coverage,
                )
            )
    heads = ("symbol", "ahead", "R², %", "AUC", "queue's AUC", "slope", "inside 80, 95 %")
    return f"forecaster {found.model} on days that it was not trained on", heads, rows


def sentences(found: FlowScore) -> list[str]:
    """Sentences on the scores of a card."""
    said = []
    for symbol, one in found.symbols.items():
        t = "" if one.choice_t is None else f", t {one.choice_t:.1f}"
        gain = f"{one.choice_bps:+.2f} bps{t}"
        said.append(
            f"{symbol}: {'none' if one.worth_bps is None else 'it is worth something'} ({gain})."
        )
    head = "Worth of one free choice, now or 30 s later, carried out 1 s late: " + " ".join(said)
    tail = "Intervals are over days; AUC counts moves alone; the queue's AUC is the imbalance at the touch alone."
    return [head, tail]


def flow_page(found: FlowScore) -> str:
    """HTML page of a forecaster's card."""
    title, heads, rows = scored_table(found)
    areas = {name: one.horizons[str(HORIZONS[0])].auc for name, one in found.symbols.items()}
    best = max(areas, key=lambda name: areas[name] or 0.0)
    lead = f"{best}: AUC {fixed(areas[best], 3)} of the next 10 s, its best of {len(areas)}."
    sections = [
        Section("What it forecasts and what came", figures=[reliability_figure(found.symbols)]),
        Section(title, sentences(found), plain_table(heads, rows)),
    ]
    facts = {
        "model": found.model,
        "days left out": sum(one.left_out for one in found.symbols.values()),
    }
    return render(
        "Forecasts of the next seconds",
        lead,
        sections,
        facts,
        "printed by: tercel signals flow score",
    )


def reliability_figure(symbols: Mapping[str, ScoredSymbol]) -> Figure:
    """Forecast against outcome in ten bins, one panel per symbol, with the line on which both are equal."""
    columns = min(4, len(symbols))
    with sketch(0.6 + 2.1 * -(-len(symbols) // columns)) as drawing:
        for panel, (name, one) in zip(
            small_panels(drawing, len(symbols), columns), symbols.items(), strict=False
        ):
            x = [each.forecast for each in one.reliability]
            y = [each.outcome for each in one.reliability]
            ends = [min(*x, *y), max(*x, *y)]
            panel.plot(ends, ends, color=svg.RULE.token, linewidth=0.8)
            panel.plot(x, y, color=svg.INK.token, marker="o", markersize=3, linewidth=1.0)
            panel.set_title(name)
        drawing.supxlabel("forecast of 10 s, half spreads", fontsize=9.5, color=svg.SOFT.token)
        drawing.supylabel("outcome, half spreads", fontsize=9.5, color=svg.SOFT.token)
    alt = "Forecast and mean outcome in ten bins: " + "; ".join(
        f"{name} from {one.reliability[0].outcome:+.2f} to {one.reliability[-1].outcome:+.2f}"
        for name, one in symbols.items()
    )
    return finished(
        drawing, "reliability", alt, "On the line a forecast is as large as what comes."
    )


def _figures(one: Accuracy) -> Sequence[str]:
    return fixed(100 * one.r2, 1), fixed(one.auc, 3), fixed(one.slope, 2)


def _range(ends: Sequence[float] | None, factor: float) -> str:
    digits = 1 if factor > 1 else 3
    return (
        "" if ends is None else f" [{factor * ends[0]:.{digits}f}, {factor * ends[1]:.{digits}f}]"
    )
