"""``python -m studies signals STUDY --data DIR``: studies of signals on real data, each by one command."""

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.api import progress_console
from tercel.cli import print_json, print_rows, say
from tercel.core import ConfigError, DataError, json_text, to_jsonable
from tercel.core.report import spelt_cell
from tercel.signals.runs import PanelSection, SignalsConfig, TrainSection

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

    from studies.signals.text import text_study
    from studies.tweets.sentiment import embedder
    from studies.tweets.text_embedding import Embedder

    known, found = data / LM, embedder()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console(), transient=True) as bar:
        task = bar.add_task("text")

        def shown(texts: Sequence[str]) -> NDArray[np.float32]:
            """Embed, most of the time of a first run; what is made is kept, so a second goes on from there."""
            assert isinstance(found, Embedder)
            left = found.missing(texts)
            bar.update(task, total=max(left, 1), completed=0)
            return found(
                texts,
                lambda done: bar.update(
                    task, completed=done, description=f"embedding, {left} texts"
                ),
            )

        studies = []
        for level in (50, 100):

            def tick(now: str, level: int = level) -> None:
                bar.update(task, total=None, description=f"{level} % agreement: {now}")

            embed = None if found is None else shown
            there = known if known.exists() else None
            folder = data / "financial-phrasebank"
            study_of = text_study(
                folder, level, embed=embed, dictionary=there, seed=seed, tick=tick
            )
            studies.append(to_jsonable(study_of))
    return {"studies": studies}


def ofi(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """Order flow imbalance on the LOBSTER days that are there, one per stock, the deepest file of each."""
    from studies.signals.ofi import flow_study
    from tercel.feeds import FeedOptions, LobsterFeed

    folder = data / LOBSTER if (data / LOBSTER).is_dir() else data
    files = sorted(folder.glob("*_5.zip")) or sorted(folder.glob("*.zip"))
    if not files:
        raise DataError("LOBSTER archives", f"none in {folder}", "name the folder that holds them")
    found = []
    for file in files:
        with LobsterFeed().days([file], FeedOptions()) as days:
            for day in days:
                imported = day.read()
                found.append(
                    to_jsonable(flow_study(imported.instrument, imported.events, seed=seed))
                )
    return {"studies": found}


def panel(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """Ridge, LightGBM and their fusion on daily stocks, refit each year, against the rules."""
    from studies.families.panel import compare_on_panel

    path = data / DAILY if (data / DAILY).is_dir() else data
    config = SignalsConfig(
        name="panel",
        panel=PanelSection(kind="daily", path=str(path)),
        train=TrainSection(
            families=("linear", "boosting"),
            refit="yearly",
            most_rows=400_000,
            settings={"boosting": BOOSTING},
        ),
        compare={"families": ("linear", "boosting")},
    )
    return {"studies": [compare_on_panel(config, seed, out)]}


def stocknet(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """StockNet's published split: counts, majority, models of text and price, with day-clustered intervals."""
    from studies.signals.stocknet import stocknet_study
    from studies.tweets.stocknet import read_stocknet

    path = data / "stocknet" if (data / "stocknet").exists() else data
    return {"studies": [stocknet_study(read_stocknet(path), seed=seed).to_json()]}


def phases(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """IC of reversal and momentum by the day of the week that cross-sections begin on."""
    from studies.signals.phases import phase_study

    path = data / DAILY if (data / DAILY).is_dir() else data
    return {
        "studies": [
            {
                "rank IC by the day that weeks begin on": [
                    row.to_json() for row in phase_study(path, seed=seed)
                ]
            }
        ]
    }


def online(data: Path, seed: int, out: Path) -> dict[str, Any]:
    """Learning online on planted panels whose coefficient flips, with a picture, and on shuffled labels; with a folder
    of data, on daily stocks too."""
    from studies.signals.online import panel_table, study_tables

    if not (data / DAILY).is_dir():
        return {"studies": [study_tables(seed, out=out)]}
    panel = PanelSection(kind="daily", path=str(data / DAILY))
    config = SignalsConfig(
        name="online", panel=panel, train=TrainSection(families=("linear",), refit="yearly")
    )
    return {
        "studies": [
            study_tables(seed, out=out),
            {"daily stocks, by `update`": panel_table(config, seed, out / "panel")},
        ]
    }


WITHOUT_DATA = ("online",)
STUDIES: dict[str, Callable[[Path, int, Path], dict[str, Any]]] = {
    "online": online, "text": text, "ofi": ofi, "panel": panel, "stocknet": stocknet, "phases": phases,
}  # fmt: skip


def study(name: str, data: Path | None, seed: int, out: Path) -> dict[str, Any]:
    """Run a study.

    Raises
    ------
    ConfigError
        When no folder of data is named, or there is none.
    """
    if data is None and name in WITHOUT_DATA:
        return {"study": name, **STUDIES[name](Path(), seed, out)}
    if data is None:
        raise ConfigError(
            "--data DIR, the folder of real data sets", "none", f"add --data to `signals {name}`"
        )
    if not data.exists():
        raise ConfigError("a folder of real data sets", f"nothing at {data}", "check --data")
    return {"study": name, **STUDIES[name](data, seed, out)}


def run(name: str, data: Path | None, seed: int, out: Path | None, as_json: bool) -> int:
    """Run a study and print it."""
    folder = out or Path("runs") / f"signals-{name}-{seed}"
    try:
        result = json.loads(json_text(study(name, data, seed, folder)))
    except KeyboardInterrupt:
        command = [
            "python",
            "-m",
            "studies",
            "signals",
            name,
            "--data",
            str(data),
            "--seed",
            str(seed),
            "--out",
            str(folder),
        ]
        raise KeyboardInterrupt(
            f"embeddings and forecasts that are made are kept; again: {shlex.join(command)}"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json_text(result) + "\n", encoding="utf-8")
    if as_json:
        print_json(result)
        return 0
    for one in result["studies"]:
        if name == "panel":
            from studies.commands.signals_compare import print_panel

            print_panel(one)
            continue
        plain = {k: v for k, v in one.items() if not isinstance(v, list | dict)}
        if plain:
            print_rows(name, ("", "value"), [(k, _number(v)) for k, v in plain.items()])
        for key, rows in one.items():
            if isinstance(rows, list) and rows and isinstance(rows[0], dict):
                print_rows(
                    key, tuple(rows[0]), [tuple(_number(v) for v in row.values()) for row in rows]
                )
            elif isinstance(rows, dict):
                print_rows(key, ("", "value"), [(k, _number(v)) for k, v in rows.items()])
            elif isinstance(rows, list):
                for note in rows:
                    say(str(note))
    return 0


def _number(value: Any) -> str:
    if isinstance(value, dict) and {"mean", "ci_low", "ci_high"} <= value.keys():
        return spelt_cell(value, digits=3)
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"
    return "-" if value is None else str(value)
