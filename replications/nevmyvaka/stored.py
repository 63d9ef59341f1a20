"""Learned tables as small JSON files, one a symbol and setting: parameters, and no row of any tape."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replications.nevmyvaka.study import VARIANTS, Setting, Table
from tercel.core import PolicyError, write_atomic

FOLDER: Final = Path(__file__).parent / "tables"
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, eq=False)
class Kept:
    """A table and what it was learned from.

    Parameters
    ----------
    table : Table
    symbol, shares : str, int
    days : tuple of str
        Dates that it was trained on.
    cut : bool
        The only day was cut: two thirds of it trained, the rest is judged on.
    offsets : int64 (A,)
        Limit prices in ticks through the own touch.
    """

    table: Table
    symbol: str
    shares: int
    days: tuple[str, ...]
    cut: bool
    offsets: NDArray[np.int64]


def path_of(folder: Path, symbol: str, setting: Setting) -> Path:
    """Where a table is kept."""
    return folder / f"{symbol}-{setting.minutes}-{setting.steps}-{setting.units}.json"


def keep(folder: Path, kept: Kept) -> None:
    """Write a table, whole or not at all."""
    table = kept.table
    raw = {
        "study": "nevmyvaka",
        "symbol": kept.symbol,
        "shares": kept.shares,
        "trained_on": kept.days,
        "cut": kept.cut,
        "offsets": kept.offsets.tolist(),
        "leave": table.leave,
        "cuts": [
            [[float(f"{x:.9g}") for x in pair] for pair in row] for row in table.cuts.tolist()
        ],
        "actions": {
            name: ["".join(_DIGITS[a] for a in step.ravel()) for step in grid]
            for name, grid in table.actions.items()
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path_of(folder, kept.symbol, table.setting), json.dumps(raw, indent=1) + "\n")


def kept(folder: Path, symbol: str, setting: Setting) -> Kept:
    """Read a table.

    Raises
    ------
    PolicyError
        There is none, or it is none of ours.
    """
    path = path_of(folder, symbol, setting)
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")), setting)
    except FileNotFoundError:
        known = sorted({file.name.rsplit("-", 3)[0] for file in folder.glob("*.json")})
        raise PolicyError(
            f"a table learned for {symbol}",
            f"none in {folder}; there are {', '.join(known) or 'none'}",
            "learn it with --train",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise PolicyError(
            "a learned table", f"{path}: {error}", "learn it again with --train"
        ) from error


def _read(raw: dict[str, Any], setting: Setting) -> Kept:
    offsets = np.array(raw["offsets"], np.int64)
    actions = {}
    for name, which in VARIANTS.items():
        digits = [[_DIGITS.index(digit) for digit in step] for step in raw["actions"][name]]
        actions[name] = np.array(digits, np.int8).reshape(
            setting.steps, setting.units, 3 ** len(which)
        )
        if actions[name].max() >= len(offsets):
            raise ValueError(f"an action beyond {len(offsets)}")
    cuts = np.array(raw["cuts"], np.float64).reshape(setting.units, 4, 2)
    table = Table(setting, int(raw["leave"]), cuts, actions)
    days = tuple(str(day) for day in raw["trained_on"])
    return Kept(table, str(raw["symbol"]), int(raw["shares"]), days, bool(raw["cut"]), offsets)
