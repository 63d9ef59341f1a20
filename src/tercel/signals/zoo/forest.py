"""Random forests (Breiman, 2001), of scikit-learn, behind the zoo's checks."""

from typing import Any

from tercel.signals.zoo.base import Classifier, Regressor
from tercel.signals.zoo.checks import Floats
from tercel.signals.zoo.port import FamilyCard


def _settings(model: Any) -> dict[str, Any]:
    return {**model.get_params(), "n_jobs": 1}


class ForestClassifier(Classifier):
    """A forest that votes with class shares of its leaves.

    Parameters
    ----------
    n_estimators, max_depth, min_samples_leaf, max_features, random_state
        As in scikit-learn. Leaves are large by default, since labels of markets are mostly noise.

    NaN is refused; sample weights are used.
    """

    def __init__(
        self,
        n_estimators: int = 150,
        max_depth: int | None = None,
        min_samples_leaf: int = 10,
        max_features: Any = "sqrt",
        random_state: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.random_state = random_state

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self.model_ = RandomForestClassifier(**_settings(self)).fit(X, up, weights)

    def _chance(self, X: Floats) -> Any:
        return self.model_.predict_proba(X)[:, 1]


class ForestRegressor(Regressor):
    """A forest that averages its leaves; parameters as :class:`ForestClassifier`."""

    def __init__(
        self,
        n_estimators: int = 150,
        max_depth: int | None = None,
        min_samples_leaf: int = 10,
        max_features: Any = 0.33,
        random_state: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.random_state = random_state

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        from sklearn.ensemble import RandomForestRegressor

        self.model_ = RandomForestRegressor(**_settings(self)).fit(X, y, weights)

    def _value(self, X: Floats) -> Any:
        return self.model_.predict(X)


CARDS = (
    FamilyCard(
        name="forest",
        about="random forest, 150 trees",
        needs=("sklearn",),
        missing="refused",
        claims={
            "robust to label noise": "Breiman (2001), section 8",
            "captures interactions": "Gu, Kelly & Xiu (2020), simulation",
        },
        makers={
            "classify": lambda seed, steps: ForestClassifier(random_state=seed),
            "regress": lambda seed, steps: ForestRegressor(random_state=seed),
        },
    ),
)
