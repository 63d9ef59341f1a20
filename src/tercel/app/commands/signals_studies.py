"""``tercel signals evaluate text|ofi|panel|stocknet|phases --data DIR``: studies on real data, each by one command."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.app.commands.signals_config import CompareSection, PanelSection, SignalsConfig, TrainSection
from tercel.app.output import progress_console
from tercel.core.errors import ConfigError, DataError

LM = Path("filings-10k-sentiment-2022") / "LM_MasterDictionary_1993-2021.csv"
LOBSTER = "lobster-zips-20120621"
DAILY = "us-daily-ohlcv-2000-2017"
BOOSTING: dict[str, float | int | str] = {
    "n_estimators": 200, "learning_rate": 0.03, "num_leaves": 15, "min_child_samples": 500, "colsample_bytree": 0.5,
    "reg_lambda": 10.0,
}  # fmt: skip
"""Fixed before any result was looked at, tuned on nothing."""


def text(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """Sentiment on Financial PhraseBank, near-duplicates grouped, ten folds, at 50 % and at full agreement."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from tercel.features.text_embedding import Embedder
    from tercel.signals.sources.sentiment import embedder
    from tercel.signals.studies.text import text_study

    known, found = data / LM, embedder()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console(), transient=True) as bar:
        task = bar.add_task("text")

        def shown(texts: Sequence[str]) -> NDArray[np.float32]:
            """Embed, most of the time of a first run; what is made is kept, so a second goes on from there."""
            assert isinstance(found, Embedder)
            left = found.missing(texts)
            bar.update(task, total=max(left, 1), completed=0)
            return found(texts, lambda done: bar.update(task, completed=done, description=f"embedding, {left} texts"))

        studies = []
        for level in (50, 100):

            def tick(now: str, level: int = level) -> None:
                bar.update(task, total=None, description=f"{level} % agreement: {now}")

            embed = None if found is None else shown
            there = known if known.exists() else None
            folder = data / "financial-phrasebank"
            study_of = text_study(folder, level, embed=embed, dictionary=there, seed=seed, tick=tick)
            studies.append(study_of.to_json())
    return {"studies": studies}


def ofi(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """Order flow imbalance on the LOBSTER days that are there, one per stock, the deepest file of each."""
    from tercel.market.feeds import FeedOptions, LobsterFeed
    from tercel.signals.studies.ofi import flow_study

    folder = data / LOBSTER if (data / LOBSTER).is_dir() else data
    files = sorted(folder.glob("*_5.zip")) or sorted(folder.glob("*.zip"))
    if not files:
        raise DataError("LOBSTER archives", f"none in {folder}", "name the folder that holds them")
    found = []
    for file in files:
        with LobsterFeed().days([file], FeedOptions()) as days:
            for day in days:
                imported = day.read()
                found.append(flow_study(imported.instrument, imported.events, seed=seed).to_json())
    return {"studies": found}


def panel(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """Ridge, LightGBM and their fusion on daily stocks, refit each year, against the rules."""
    from tercel.app.commands.signals_panel import compare_on_panel

    path = data / DAILY if (data / DAILY).is_dir() else data
    config = SignalsConfig(
        name="panel",
        panel=PanelSection(kind="daily", path=str(path)),
        train=TrainSection(
            families=("linear", "boosting"), refit="yearly", most_rows=400_000, settings={"boosting": BOOSTING}
        ),
        compare=CompareSection(families=("linear", "boosting")),
    )
    return {"studies": [compare_on_panel(config, seed, out)]}


def stocknet(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """StockNet's published split: counts, majority, models of text and price, with day-clustered intervals."""
    from tercel.signals.sources.stocknet import read_stocknet
    from tercel.signals.studies.stocknet import stocknet_study

    path = data / "stocknet" if (data / "stocknet").exists() else data
    return {"studies": [stocknet_study(read_stocknet(path), seed=seed).to_json()]}


def phases(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """IC of reversal and momentum by the day of the week that cross-sections begin on."""
    from tercel.signals.studies.phases import phase_study

    path = data / DAILY if (data / DAILY).is_dir() else data
    return {
        "studies": [{"rank IC by the day that weeks begin on": [row.to_json() for row in phase_study(path, seed=seed)]}]
    }


STUDIES: dict[str, Callable[[Path, int, Path], dict[str, Any]]] = {
    "text": text, "ofi": ofi, "panel": panel, "stocknet": stocknet, "phases": phases,
}  # fmt: skip


def study(name: str, data: Path | None, seed: int, out: Path) -> dict[str, Any]:
    """Run a study.

    Raises
    ------
    ConfigError
        When no folder of data is named, or there is none.
    """
    if data is None:
        raise ConfigError("--data DIR, the folder of real data sets", "none", f"add --data to `evaluate {name}`")
    if not data.exists():
        raise ConfigError("a folder of real data sets", f"nothing at {data}", "check --data")
    return {"study": name, **STUDIES[name](data, seed, out)}
