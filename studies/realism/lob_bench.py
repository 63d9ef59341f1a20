"""LOB-Bench's own code (Nagy et al. 2025, github.com/peernagy/lob_bench) as a judge of windows of a market.

Its 21 unconditional scores on windows of messages, the L1 distance of histograms and the Wasserstein distance after
scaling, means over scores. Nothing of it is copied or installed: its folder is named, and its modules live in this
process while they are used.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studies.realism.lobster_rows import NS, as_lobster
from tercel.api import progress_console
from tercel.core import NS_PER_SECOND, ConfigError
from tercel.market import WARMUP_S, Day
from tercel.market.flow import Preset
from tercel.market.simulator import simulated_day
from tercel.market.tape import Events, Instrument

FOLDER: Final = "lob_bench"
MODULES: Final = ("run_bench", "scoring", "eval", "metrics", "partitioning", "data_loading")
ABSENT: Final = "plotting"
"""A module that its repository leaves out; only pictures need it."""
MESSAGES: Final = 500
"""Messages of a window, as the benchmark has it."""
METRICS: Final = ("l1", "wasserstein")
MOST_LEVELS: Final = 10
"""The benchmark's own depth; a tape that shows fewer is read with those."""

Ints = NDArray[np.int64]
Window = tuple[Any, Any]
"""Messages and book rows of one window, as its data frames."""
Stretch = tuple[float, float]


@dataclass(frozen=True, eq=False)
class LobBenchRows:
    """A stretch as LOBSTER's rows: `lobster_rows.as_lobster`, times counted from the start of the stretch."""

    messages: Ints
    book: Ints

    def windows(self, starts: Ints, length: int = MESSAGES) -> list[Window]:
        """Windows of so many messages from each of these rows on."""
        return [
            _frames(self.messages[at : at + length], self.book[at : at + length])
            for at in starts.tolist()
        ]

    def spread(self, count: int, length: int) -> Ints:
        """First rows of so many stretches of this length, evenly spread; fewer where they would overlap."""
        room = min(count, len(self.messages) // length)
        if room < 2:
            received = f"{len(self.messages):,} messages"
            raise ConfigError(
                f"a stretch of at least {2 * length:,} messages",
                received,
                "name more or longer days",
            )
        return np.linspace(0, len(self.messages) - length, room).astype(np.int64)

    def at_times(self, ns: Ints, length: int = MESSAGES) -> Ints:
        """First rows of windows that begin at these times, as far as rows are left."""
        found: Ints = np.minimum(
            np.searchsorted(self.messages[:, 0], ns), len(self.messages) - length
        )
        if len(self.messages) < length:
            raise ConfigError(
                f"a simulated stretch of {length:,} messages",
                f"{len(self.messages):,}",
                "name longer days",
            )
        return found


def _frames(messages: Ints, book: Ints) -> Window:
    """Data frames as its loader makes them."""
    pandas = importlib.import_module("pandas")
    names = ("event_type", "order_id", "size", "price", "direction")
    frame = pandas.DataFrame(dict(zip(names, messages[:, 1:].T, strict=True)))
    frame.insert(0, "time", pandas.to_datetime(messages[:, 0]))
    return frame, pandas.DataFrame(book)


@contextmanager
def lob_bench(peers: Path | None) -> Iterator[ModuleType]:
    """Its `run_bench`, with all that it imports, for as long as the block lasts.

    Parameters
    ----------
    peers : Path or None
        Its folder, or the one that holds it as `lob_bench`.

    Raises
    ------
    ConfigError
        No such folder, or a library that it needs is missing.
    """
    folder = _folder(peers)
    before = {name: sys.modules.pop(name, None) for name in (*MODULES, ABSENT)}
    sys.path.insert(0, str(folder))
    if not (folder / f"{ABSENT}.py").exists():
        sys.modules[ABSENT] = ModuleType(ABSENT)
    try:
        yield importlib.import_module(MODULES[0])
    except ModuleNotFoundError as error:
        remedy = "pip install pandas scipy statsmodels scikit-learn tqdm"
        raise ConfigError(
            "the libraries that LOB-Bench's code imports", f"no {error.name}", remedy
        ) from error
    finally:
        sys.path.remove(str(folder))
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _folder(peers: Path | None) -> Path:
    """Where its code lies."""
    for folder in () if peers is None else (peers, peers / FOLDER):
        if (folder / f"{MODULES[0]}.py").exists():
            return folder
    remedy = f"git clone https://github.com/peernagy/lob_bench {FOLDER}, and name it with `peers=` or in TERCEL_PEERS"
    raise ConfigError(
        "LOB-Bench's own code", "no folder" if peers is None else f"none in {peers}", remedy
    )


def distances(
    bench: ModuleType, real: Sequence[Window], other: Sequence[Window], levels: int
) -> dict[str, Any]:
    """Its scores of some windows against others: score -> {"l1", "wasserstein"}.

    Parameters
    ----------
    bench : module
        From :func:`lob_bench`.
    real, other : sequence of windows
        Of as many.
    levels : int
        Levels of the books: two of its scores add up ten by default.

    Raises
    ------
    ConfigError
        Windows in which something that it scores never happens.
    """
    make = bench.data_loading.Lobster_Sequence
    loader = [
        make("", number, _later(m), _later(b), (1,), (_later(n),), (_later(c),))
        for number, ((m, b), (n, c)) in enumerate(zip(real, other, strict=True))
    ]
    metrics = {"l1": bench.metrics.l1_by_group, "wasserstein": bench.metrics.wasserstein}
    plain = {name: partial(metric, bootstrap_ci=False) for name, metric in metrics.items()}
    with redirect_stdout(StringIO()), np.errstate(all="ignore"):
        try:
            found = bench.scoring.run_benchmark(loader, _config(bench, levels), plain)[0]
        except ValueError as error:
            remedy = "name more windows or longer days"
            raise ConfigError("windows that LOB-Bench can score", str(error), remedy) from error
    return {name: {key: float(value) for key, value in row.items()} for name, row in found.items()}


def _later(frame: Any) -> Any:
    return lambda: frame


def _config(bench: ModuleType, levels: int) -> dict[str, Any]:
    """Its unconditional scores, volumes over the levels that there are."""
    volumes = {
        f"{side}_volume": {"fn": partial(_volume, bench, f"{side[:3]}_vol_{levels}", levels)}
        for side in ("ask", "bid")
    }
    return {**bench.DEFAULT_SCORING_CONFIG, **volumes}


def _volume(bench: ModuleType, column: str, levels: int, messages: Any, book: Any) -> Any:
    return bench.eval.total_volume(messages, book, levels)[column].values


def mean_of(found: dict[str, Any], metric: str) -> float:
    """Mean over scores, those without a value left out."""
    return float(np.nanmean([row[metric] for row in found.values()]))


def scored(
    preset: Preset,
    days: Sequence[Day],
    levels: int,
    seeds: int,
    windows: int,
    judge: Callable[[Sequence[Window], Sequence[Window]], dict[str, Any]],
) -> dict[str, Any]:
    """What the judge says of every simulated path, and of the recorded half beside.

    Windows are evenly spread over the real stretch of each day (:func:`halves`) and over the one beside it; simulated
    ones begin at the same times of day as the real ones.
    """
    from rich.progress import track

    parts = [halves(day) for day in days]
    real, beside = (
        [_recorded(day, levels, one[k]) for day, one in zip(days, parts, strict=True)]
        for k in range(2)
    )
    each_day = -(-windows // len(days))
    starts = [
        (a.spread(each_day, MESSAGES), b.spread(each_day, MESSAGES))
        for a, b in zip(real, beside, strict=True)
    ]
    starts = [(a[: min(len(a), len(b))], b[: min(len(a), len(b))]) for a, b in starts]
    side = _windows(real, [a for a, _ in starts])
    floor = judge(side, _windows(beside, [b for _, b in starts]))
    times = [rows.messages[at, NS] for rows, (at, _) in zip(real, starts, strict=True)]
    each = []
    for seed in track(range(1, seeds + 1), "simulate and score", console=progress_console()):
        paths = [_simulated(preset, seed, one, levels) for one, _ in parts]
        each.append(
            judge(
                side, _windows(paths, [p.at_times(ns) for p, ns in zip(paths, times, strict=True)])
            )
        )
    means = {
        name: {key: float(np.mean([one[name][key] for one in each])) for key in METRICS}
        for name in floor
    }
    return {
        "preset": preset.name,
        "model": preset.model,
        "scored_on": [day.label for day in days],
        **_pair(means),
        "real": _pair(floor),
        "ratio": {
            key: _pair(means)[f"mean_{key}"] / _pair(floor)[f"mean_{key}"] for key in ("l1", "w1")
        },
        "by_seed": [_pair(one) for one in each],
        "seeds": seeds,
        "windows": len(side),
        "messages": MESSAGES,
        "levels": levels,
        "stretches_s": [{"real": one, "beside": other} for one, other in parts],
        "scores": {name: {**means[name], "real": floor[name]} for name in floor},
    }


def _pair(found: dict[str, Any]) -> dict[str, float]:
    return {"mean_l1": mean_of(found, "l1"), "mean_w1": mean_of(found, "wasserstein")}


def _windows(rows: Sequence[LobBenchRows], starts: Sequence[Ints]) -> list[Window]:
    return [window for one, at in zip(rows, starts, strict=True) for window in one.windows(at)]


def halves(day: Day) -> tuple[Stretch, Stretch]:
    """The real stretch of a day and the recorded one beside it, seconds after the opening.

    What is scored, and what lies before it (or after it) on the same day, at most as long. Where nearly the whole day
    is scored, its second half is, and the first lies beside it.
    """
    start, end = day.stretch_s
    before = max(day.skip_s, 2 * start - end), start
    after = end, min(day.session_s, 2 * end - start)
    beside = max(before, after, key=lambda one: one[1] - one[0])
    if beside[1] - beside[0] >= (end - start) / 2:
        return (start, end), beside
    middle = (start + end) / 2
    return (middle, end), (start, middle)


def _recorded(day: Day, levels: int, stretch: Stretch) -> LobBenchRows:
    """A stretch of a day."""
    opening = day.instrument.session_open_ns or int(day.events.exch_ns[0])
    start, end = (opening + round(s * NS_PER_SECOND) for s in stretch)
    return _between(day.instrument, day.events, levels, start, end)


def _simulated(preset: Preset, seed: int, stretch: Stretch, levels: int) -> LobBenchRows:
    """A simulated stretch as long, at its time of day, through the same window of levels."""
    start, end = stretch
    events = simulated_day(preset, seed, end - start, WARMUP_S, start)
    instrument = Instrument(preset.venue, preset.symbol, "2000-01-03", preset.tick, lot=preset.lot)
    warm = round(WARMUP_S * NS_PER_SECOND)
    return _between(instrument, events, levels, warm, warm + round((end - start) * NS_PER_SECOND))


def _between(
    instrument: Instrument, events: Events, levels: int, start: int, end: int
) -> LobBenchRows:
    messages, book = as_lobster(instrument, events, levels)
    kept = slice(*np.searchsorted(messages[:, NS], [start, end]).tolist())
    messages = messages[kept].copy()
    messages[:, NS] -= start
    return LobBenchRows(messages, book[kept])
