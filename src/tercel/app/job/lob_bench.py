"""LOB-Bench's own code (Nagy et al. 2025, github.com/peernagy/lob_bench) as a judge of windows of a market.

Its 21 unconditional scores on windows of messages, the L1 distance of histograms and the Wasserstein distance after
scaling, means over scores. Nothing of it is copied or installed: its folder is named, and its modules live in this
process while they are used.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError

FOLDER: Final = "lob_bench"
MODULES: Final = ("run_bench", "scoring", "eval", "metrics", "partitioning", "data_loading")
ABSENT: Final = "plotting"
"""A module that its repository leaves out; only pictures need it."""
MESSAGES: Final = 500
"""Messages of a window, as the benchmark has it."""
METRICS: Final = ("l1", "wasserstein")

Ints = NDArray[np.int64]
Window = tuple[Any, Any]
"""Messages and book rows of one window, as its data frames."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A stretch as LOBSTER's rows: `feeds.lobster_write.as_lobster`, times counted from the start of the stretch."""

    messages: Ints
    book: Ints

    def windows(self, starts: Ints, length: int = MESSAGES) -> list[Window]:
        """Windows of so many messages from each of these rows on."""
        return [_frames(self.messages[at : at + length], self.book[at : at + length]) for at in starts.tolist()]

    def spread(self, count: int, length: int) -> Ints:
        """First rows of so many stretches of this length, evenly spread; fewer where they would overlap."""
        room = min(count, len(self.messages) // length)
        if room < 2:
            received = f"{len(self.messages):,} messages"
            raise ConfigError(f"a stretch of at least {2 * length:,} messages", received, "name more or longer days")
        return np.linspace(0, len(self.messages) - length, room).astype(np.int64)

    def at_times(self, ns: Ints, length: int = MESSAGES) -> Ints:
        """First rows of windows that begin at these times, as far as rows are left."""
        found: Ints = np.minimum(np.searchsorted(self.messages[:, 0], ns), len(self.messages) - length)
        if len(self.messages) < length:
            raise ConfigError(
                f"a simulated stretch of {length:,} messages", f"{len(self.messages):,}", "name longer days"
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
        raise ConfigError("the libraries that LOB-Bench's code imports", f"no {error.name}", remedy) from error
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
    remedy = f"git clone https://github.com/peernagy/lob_bench {FOLDER}, and name it with --peers or in TERCEL_PEERS"
    raise ConfigError("LOB-Bench's own code", "no folder" if peers is None else f"none in {peers}", remedy)


def distances(bench: ModuleType, real: Sequence[Window], other: Sequence[Window], levels: int) -> dict[str, Any]:
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
        f"{side}_volume": {"fn": partial(_volume, bench, f"{side[:3]}_vol_{levels}", levels)} for side in ("ask", "bid")
    }
    return {**bench.DEFAULT_SCORING_CONFIG, **volumes}


def _volume(bench: ModuleType, column: str, levels: int, messages: Any, book: Any) -> Any:
    return bench.eval.total_volume(messages, book, levels)[column].values


def mean_of(found: dict[str, Any], metric: str) -> float:
    """Mean over scores, those without a value left out."""
    return float(np.nanmean([row[metric] for row in found.values()]))
