"""Files as a stranger has them: prices of a few names, and what else is said of these."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from tercel.core.arrays import Floats

GOOD, BAD = (
    ("strong rally", "profit growth", "upgrade"),
    ("weak decline", "sharp loss", "downgrade"),
)
TWO_LINES = '[panel]\nkind = "daily"\npath = "prices.csv"\n'
SMALL = TWO_LINES + "history = 20\nleast_dollars = 0\nevery = 2\n"
TRAIN = '[train]\nfamilies = ["linear"]\nsplits = 3\nembargo_days = 2\n'


@dataclass(frozen=True)
class Foreign:
    """`days`, `names`, `ahead` (D, N): the return of the day after, as sources must not know it."""

    folder: Path
    days: list[date]
    names: list[str]
    close: Floats
    ahead: Floats

    def write(self, name: str, header: str, rows: list[str]) -> Path:
        path = self.folder / name
        path.write_text(header + "\n" + "\n".join(rows) + "\n", encoding="utf-8")
        return path

    def cells(self) -> list[tuple[int, int]]:
        return [(d, n) for d in range(len(self.days)) for n in range(len(self.names))]

    def prices(self, name: str = "prices.csv", shift: int = 0) -> Path:
        """A long file, adjusted by a split of the first name; `shift` days are told too early."""
        rows, rng = [], np.random.default_rng(5)
        for d, n in self.cells():
            if d + shift >= len(self.days):
                continue
            adjusted = self.close[d + shift, n]
            c = adjusted * (4 if n == 0 and d < len(self.days) // 2 else 1)
            o = c * (1 + 0.01 * rng.standard_normal())
            high, low = max(o, c) * (1 + 0.01 * rng.random()), min(o, c) * (1 - 0.01 * rng.random())
            prices = ",".join(f"{price:.4f}" for price in (o, high, low, c, adjusted))
            rows.append(f"{self.days[d]},{self.names[n]},{prices},{rng.integers(50_000, 90_000)}0")
        return self.write(name, "Date,Symbol,Open,High,Low,Close,Adj Close,Volume", rows)

    def values(self, leak: bool, seed: int, ahead: int = 0) -> Floats:
        """(D, N) of what a source says: noise, with the return of the bar after mixed in where it leaks."""
        noise = np.random.default_rng(seed).standard_normal(self.ahead.shape)
        told = np.zeros_like(self.ahead)
        told[: len(told) - ahead] = self.ahead[ahead:]
        return noise + 1.5 * leak * told / self.ahead.std()


def foreign(folder: Path, names: int = 10, days: int = 220, seed: int = 3) -> Foreign:
    rng = np.random.default_rng(seed)
    weekdays = [
        d
        for d in (date(2018, 1, 1) + timedelta(days=i) for i in range(2 * days))
        if d.weekday() < 5
    ][:days]
    moves = 0.015 * rng.standard_normal((days, names)) + 0.005 * rng.standard_normal((days, 1))
    close = 40 * np.exp(np.cumsum(moves, axis=0))
    ahead = np.vstack([moves[1:], np.zeros((1, names))])
    return Foreign(folder, weekdays, [f"N{n}" for n in range(names)], close, ahead)


def headlines(made: Foreign, name: str, leak: bool, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    values, rows = made.values(leak, seed), []
    for d, n in made.cells():
        if rng.random() < 0.7:
            words = (GOOD if values[d, n] > 0 else BAD)[rng.integers(3)]
            rows.append(
                f'{made.days[d]}T15:30:00-05:00,{made.names[n]},"{words}, said desk {rng.integers(40)}"'
            )
    return made.write(name, "published,Ticker,Headline", rows)
