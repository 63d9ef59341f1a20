"""``python -m studies signals STUDY --data DIR``: studies of signals on real data, each by one command."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tercel.cli import print_json, print_rows, say
from tercel.core import ConfigError, DataError, Estimate, json_text, to_jsonable
from tercel.core.report import format_interval
from tercel.signals.runs import PanelSection, SignalsConfig, TrainSection

LOBSTER = "lobster-zips-20120621"
DAILY = "us-daily-ohlcv-2000-2017"


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
    "online": online, "ofi": ofi, "phases": phases,
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
        return format_interval(Estimate.of(value), digits=3)
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"
    return "-" if value is None else str(value)
