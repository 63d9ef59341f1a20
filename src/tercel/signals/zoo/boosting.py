"""Gradient boosting (Friedman, 2001): LightGBM (Ke et al., 2017), deterministic, one thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

import numpy as np
from pydantic import Field

from tercel.core.arrays import AnyArray, Floats
from tercel.signals.zoo.base import Count, Estimator, Penalty, Regressor, Share, Whole

_FIXED: Final[dict[str, Any]] = {
    "n_jobs": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
    "subsample_freq": 1,
}


@dataclass(eq=False, repr=False)
class BoostedTrees(Estimator):
    """The parameters, that trees read NaN, and that they are kept as LightGBM's own text."""

    native_nan = True

    n_estimators: Count = 150
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.05
    num_leaves: Annotated[int, Field(ge=2, le=131_072)] = 15
    min_child_samples: Whole = 20
    subsample: Share = 0.8
    colsample_bytree: Share = 0.8
    reg_lambda: Penalty = 1.0
    random_state: Whole = 0

    def grown(self, kind: Any, X: Floats, y: Any, weights: Floats) -> None:
        """Grow trees by a model of LightGBM."""
        self.booster_ = kind(**self.get_params(), **_FIXED).fit(X, y, weights).booster_

    def kept(self) -> dict[str, AnyArray]:
        """The trees as bytes of LightGBM's text format, which is read by a parser and runs nothing."""
        return super().kept() | {
            "trees": np.frombuffer(self.booster_.model_to_string().encode(), np.uint8)
        }

    def put_back(self, kept: Mapping[str, AnyArray]) -> Self:
        """Restore the trees from their text."""
        from lightgbm import Booster

        self.booster_ = Booster(model_str=np.asarray(kept["trees"], np.uint8).tobytes().decode())
        return super().put_back(kept)


class BoostingRegressor(BoostedTrees, Regressor):
    """LightGBM regressor.

    Parameters
    ----------
    n_estimators, learning_rate, num_leaves, min_child_samples, subsample, colsample_bytree, reg_lambda, random_state
        As in LightGBM. The defaults were fixed before any result was looked at and are tuned on nothing.

    NaN is read as "missing" by the trees; sample weights are used.
    """

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        from lightgbm import LGBMRegressor

        self.grown(LGBMRegressor, X, y, weights)

    def _value(self, X: Floats) -> Any:
        return self.booster_.predict(X, num_threads=1)
