"""Conformance kit of models: inherit :class:`SignalModelConformance`, say how to make a model, run pytest.

class TestMine(SignalModelConformance):
    def model(self):
        return Mine()
"""

import io
from typing import Any

import numpy as np
import pytest

from tercel.core import DataError


def separable(n: int = 240, columns: int = 4, seed: int = 0) -> tuple[Any, Any, Any]:
    """Features (n, F), a number (n,) that the first column drives, and its sign as a class."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns))
    y = 2.0 * X[:, 0] + 0.3 * rng.normal(size=n)
    return X, y, (y > 0).astype(int)


class SignalModelConformance:
    """Contract of every classifier or regressor."""

    learns = True
    """Whether it must find the direction of an easy problem (regimes do not claim to)."""

    def model(self) -> Any:
        """An unfitted model."""
        raise NotImplementedError

    def data(self) -> tuple[Any, Any]:
        """Features and targets that suit the model."""
        X, y, up = separable()
        return X, up if self.classifies else y

    @property
    def classifies(self) -> bool:
        """Whether it is a classifier."""
        return hasattr(self.model(), "predict_proba")

    def answers(self, model: Any, X: Any) -> Any:
        """One number of a model for each row."""
        return model.predict_proba(X)[:, 1] if self.classifies else model.predict(X)

    def test_parameters_come_back_as_they_went_in(self) -> None:
        model = self.model()
        params = model.get_params()
        again = type(model)(**model.get_params(deep=False))
        assert again.get_params() == params
        assert model.set_params(**params) is model
        with pytest.raises(DataError, match="Invalid parameter"):
            model.set_params(no_such_parameter=1)

    def test_same_seed_same_answers_and_data_untouched(self) -> None:
        X, y = self.data()
        before = X.copy(), y.copy()
        first, second = (self.answers(self.model().fit(X, y), X) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(X, before[0])
        np.testing.assert_array_equal(y, before[1])

    def test_answers_are_finite_and_chances_are_chances(self) -> None:
        X, y = self.data()
        model = self.model().fit(X, y)
        far = np.concatenate([X, 1e6 * X[:5]])
        assert np.isfinite(self.answers(model, far)).all()
        if self.classifies:
            chances = model.predict_proba(far)
            assert chances.shape == (len(far), 2)
            np.testing.assert_allclose(chances.sum(axis=1), 1.0)
            assert (chances >= 0).all()
            assert set(model.predict(X)) <= set(y)

    def test_learns_what_is_easy(self) -> None:
        if not self.learns:
            return
        X, y = self.data()
        cut = 2 * len(X) // 3
        answers = self.answers(self.model().fit(X[:cut], y[:cut]), X[cut:])
        assert np.corrcoef(answers, y[cut:])[0, 1] > 0.6

    def test_refuses_what_it_cannot_learn_from(self) -> None:
        X, y = self.data()
        flat = X.copy()
        flat[:, 1] = 3.0
        with pytest.raises(DataError, match="constant feature in column"):
            self.model().fit(flat, y)
        if self.classifies:
            with pytest.raises(DataError, match="single class"):
                self.model().fit(X, np.ones(len(X), int))
        with pytest.raises(DataError):
            self.model().fit(X, y[:-1])
        with pytest.raises(DataError):
            self.model().fit(X[:0], y[:0])
        holed = np.where(np.arange(len(y)) == 3, np.nan, np.asarray(y, float))
        with pytest.raises(DataError):
            self.model().fit(X, holed)

    def test_missing_features_are_read_or_refused_never_passed_on(self) -> None:
        X, y = self.data()
        model = self.model()
        holed = X.copy()
        holed[::7, 2] = np.nan
        if type(model).native_nan:
            assert np.isfinite(self.answers(model.fit(holed, y), holed)).all()
        else:
            with pytest.raises(DataError, match="NaN"):
                model.fit(holed, y)
            model.fit(X, y)
            with pytest.raises(DataError, match="NaN"):
                model.predict(holed)
        with pytest.raises(DataError, match="inf"):
            model.predict(np.full_like(X, np.inf))

    def test_says_when_it_is_asked_too_early_or_for_other_columns(self) -> None:
        X, y = self.data()
        with pytest.raises(DataError, match="after fit"):
            self.model().predict(X)
        with pytest.raises(DataError, match="features"):
            self.model().fit(X, y).predict(X[:, :-1])

    def test_what_it_learned_is_arrays_and_comes_back_to_the_bit(self) -> None:
        X, y = self.data()
        model = self.model().fit(X, y)
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **model.to_arrays())
        with np.load(io.BytesIO(file.getvalue()), allow_pickle=False) as stored:
            again = type(model)(**model.get_params()).from_arrays(
                {name: stored[name] for name in stored.files}
            )
        np.testing.assert_array_equal(self.answers(again, X), self.answers(model, X))
        with pytest.raises(KeyError):
            self.model().from_arrays({})
        with pytest.raises(DataError, match="after fit"):
            self.model().to_arrays()

    def test_rows_of_weight_zero_teach_nothing(self) -> None:
        X, y = self.data()
        model = self.model()
        if not type(model).takes_weights:
            return
        keep = np.arange(len(X)) < 2 * len(X) // 3
        spoilt = np.where(keep, y, y[::-1])
        first = self.answers(self.model().fit(X, y, keep.astype(float)), X)
        second = self.answers(self.model().fit(X, spoilt, keep.astype(float)), X)
        np.testing.assert_allclose(first, second, atol=1e-7)
