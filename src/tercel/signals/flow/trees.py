"""Models of a forecaster: LightGBM's boosted trees, or a ridge line, of scaled moves on flow features; as arrays of trees."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np

from tercel.core.arrays import Floats
from tercel.core.extras import import_optional
from tercel.execution.foresight.flow_features import FEATURES

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
    """Trees as lists of nodes one after another, or a line's intercept and coefficients."""

    line: Floats = field(default_factory=lambda: np.zeros(1 + FEATURES))
    roots: list[int] = field(default_factory=list)
    nodes: list[tuple[int, int, float]] = field(default_factory=list)
    """Feature, or -1 of a leaf; number of the node on the right; threshold, or what a leaf says."""

    def add(self, node: DumpedNode) -> int:
        """Add a node of LightGBM's dump and its subtree; return its number."""
        number = len(self.nodes)
        if node.left_child is None or node.right_child is None:
            self.nodes.append((-1, 0, node.leaf_value))
            return number
        self.nodes.append((0, 0, 0.0))
        self.add(node.left_child)
        right = self.add(node.right_child)
        self.nodes[number] = node.split_feature, right, node.threshold
        return number


def fit(kind: str, x: Floats, y: Floats, weight: Floats, seed: int) -> Trees:
    """Fit scaled moves `y` (n,), clipped, to features `x` (n, FEATURES) by weighted least squares: a ridge line if
    `kind` is "linear", else boosted trees.
    """
    y = np.clip(y, -CLIP, CLIP)
    model = Trees()
    if kind == "linear":
        mean = x.mean(axis=0)
        scale = np.maximum(x.std(axis=0), 1e-9)
        z = np.column_stack([np.ones(len(x)), (x - mean) / scale])
        gram = (z * weight[:, None]).T @ z + RIDGE * weight.sum() * np.eye(z.shape[1])
        coefficients = np.linalg.solve(gram, (z * weight[:, None]).T @ y)
        model.line[1:] = coefficients[1:] / scale
        model.line[0] = coefficients[0] - mean @ model.line[1:]
        return model
    booster = train_booster(x, y, weight, seed)
    model.roots += [
        model.add(msgspec.convert(tree["tree_structure"], DumpedNode))
        for tree in booster.dump_model()["tree_info"]
    ]
    return model


def train_booster(x: Floats, y: Floats, weight: Floats, seed: int) -> Any:
    """Train LightGBM on features, scaled moves and weights; its booster."""
    lightgbm = import_optional("lightgbm")
    return lightgbm.train(_BOOSTING | {"seed": seed}, lightgbm.Dataset(x, y, weight=weight), ROUNDS)


def join_models(models: Sequence[Trees]) -> dict[str, Any]:
    """Arrays of a forecaster, by name, from one model per horizon: nodes of all trees one after another, and lines."""
    roots: list[int] = []
    nodes: list[tuple[int, int, float]] = []
    ends = [0]
    for model in models:
        base = len(nodes)
        roots += [root + base for root in model.roots]
        nodes += [(feature, right + base, value) for feature, right, value in model.nodes]
        ends.append(len(roots))
    feature, right, value = zip(*nodes, strict=True) if nodes else ((-1,), (0,), (0.0,))
    return {
        "feature": np.array(feature, np.int32),
        "right": np.array(right, np.int32),
        "value": np.array(value, np.float64),
        "roots": np.array(roots, np.int64),
        "ends": np.array(ends, np.int64),
        "lines": np.stack([model.line for model in models]),
    }
