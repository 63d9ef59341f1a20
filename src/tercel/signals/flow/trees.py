"""Models of the next move: LightGBM's trees, or a line, as the arrays that the compiled walker reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.extras import needed
from tercel.execution.foresight.features import FEATURES

KINDS: Final = ("boosting", "linear")
CLIP: Final = 6.0
"""Moves beyond so many standard deviations are learned from as if they were that."""
RIDGE: Final = 1e-3
_BOOSTING: Final[dict[str, Any]] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "lambda_l2": 5.0,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "feature_fraction": 0.6,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
ROUNDS: Final = 150


@dataclass
class Trees:
    """Trees end to end, as lists, and the line beside them."""

    line: Floats = field(default_factory=lambda: np.zeros(1 + FEATURES))
    roots: list[int] = field(default_factory=list)
    nodes: list[tuple[int, float, int, int, float]] = field(default_factory=list)

    def add(self, node: Mapping[str, Any]) -> int:
        """Add a node of LightGBM's dump and what is below it; its number."""
        at = len(self.nodes)
        if "split_index" not in node:
            self.nodes.append((-1, 0.0, 0, 0, float(node["leaf_value"])))
            return at
        self.nodes.append((0, 0.0, 0, 0, 0.0))
        left, right = self.add(node["left_child"]), self.add(node["right_child"])
        self.nodes[at] = int(node["split_feature"]), float(node["threshold"]), left, right, 0.0
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
    for tree in booster.dump_model()["tree_info"]:
        out.roots.append(out.add(tree["tree_structure"]))
    return out


def boosted(x: Floats, y: Floats, weight: Floats, seed: int) -> Any:
    """LightGBM's booster of the same."""
    lightgbm = needed("lightgbm")
    return lightgbm.train(_BOOSTING | {"seed": seed}, lightgbm.Dataset(x, y, weight=weight), ROUNDS)


def joined(models: Sequence[Trees]) -> dict[str, Any]:
    """The models of all horizons as the arrays of a forecaster."""
    roots: list[int] = []
    nodes: list[tuple[int, float, int, int, float]] = []
    ends = [0]
    for one in models:
        base = len(nodes)
        roots += [root + base for root in one.roots]
        nodes += [
            (what, at, left + base, right + base, value)
            for what, at, left, right, value in one.nodes
        ]
        ends.append(len(roots))
    columns = list(zip(*nodes, strict=True)) if nodes else [(-1,), (0.0,), (0,), (0,), (0.0,)]
    named = dict(zip(("feature", "threshold", "left", "right", "value"), columns, strict=True))
    whole = {name: np.array(named[name], np.int64) for name in ("feature", "left", "right")}
    return whole | {
        "threshold": np.array(named["threshold"], np.float64),
        "value": np.array(named["value"], np.float64),
        "roots": np.array(roots, np.int64),
        "ends": np.array(ends, np.int64),
        "lines": np.stack([one.line for one in models]),
    }
