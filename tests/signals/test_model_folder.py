"""A trained model's folder: every family comes back to the bit, and nothing in it can run code."""

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tercel.core.errors import DataError, UnknownNameError
from tercel.signals.models.family_cards import FAMILIES, family, missing_library
from tercel.signals.models.folds import DAY, walk_forward
from tercel.signals.models.model_folder import _digest, load, save
from tercel.signals.models.signal_model import SignalModel
from tercel.signals.models.skill import AlphaScale
from tercel.signals.models.walk_forward import fit_final, out_of_fold
from tercel.signals.panel.dataset import Dataset
from tercel.signals.sources.synthetic import synthetic_market

FAST: dict[str, dict[str, Any]] = {
    "forest": {"n_estimators": 10},
    "boosting": {"n_estimators": 10},
}
REGRESS = [name for name, card in FAMILIES.items() if card.model]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return synthetic_market(3, instruments=20, days=120, strength=0.2).data


SCALE = AlphaScale(1e4, 200.0, 0.3, 7 * DAY, 3 * DAY)


def saved(data: Dataset, folder: Path, name: str) -> tuple[SignalModel, SignalModel]:
    """A model that was trained, and the same as its folder has it."""
    folds = list(walk_forward(data.time_ns, data.end_ns, splits=2, embargo_ns=2 * DAY))
    told = out_of_fold(data, (name,), folds, settings=FAST)
    fusion, models = fit_final(data, (name,), told, settings=FAST)
    model = SignalModel(fusion, tuple(models), SCALE)
    return model, save(folder, model, {"name": "x"})


@pytest.mark.parametrize("name", REGRESS)
def test_every_family_comes_back_to_the_bit(data: Dataset, tmp_path: Path, name: str) -> None:
    comes_back(data, tmp_path, name)


def comes_back(data: Dataset, tmp_path: Path, name: str) -> None:
    """Save a model of a family and load it: the forecasts are the same."""
    if (lacking := missing_library(family(name))) is not None:
        pytest.skip(f"no module {lacking}")
    model, kept = saved(data, tmp_path, name)
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".npz"}
    again = load(tmp_path)
    assert (again.card, again.id, again.scale) == (kept.card, kept.id, SCALE)
    features = {name: data.x[:200, c] for c, name in enumerate(data.names)}
    for one, two in zip(again.forecast(features), model.forecast(features), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_model_of_an_absent_family_is_refused(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setitem(FAMILIES, "svm_rbf", replace(FAMILIES["linear"], name="svm_rbf"))
        saved(data, tmp_path, "svm_rbf")
    with pytest.raises(UnknownNameError, match="family 'svm_rbf'"):
        load(tmp_path)


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


def planted(folder: Path, card: Mapping[str, Any], data: bytes, **changes: Any) -> None:
    """A folder whose first part is `data`, with the card that its writer would give it."""
    part = card["parts"][0] | {"sha256": hashlib.sha256(data).hexdigest(), **changes}
    (folder / part["file"]).write_bytes(data)
    whole = {**card, "parts": [part, *card["parts"][1:]]}
    (folder / "card.json").write_text(json.dumps(whole | {"sha256": _digest(whole)}))


def bomb(path: Path) -> bytes:
    """An npz with an array of objects, one of which is a bomb: made by hand, as np.save would make it."""
    array, file = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array(array, np.array([Bomb(path), 1], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("coef_.npy", array.getvalue())
        archive.writestr("intercept_.npy", array.getvalue())
    return file.getvalue()


def test_objects_in_an_archive_are_refused_and_not_run(data: Dataset, tmp_path: Path) -> None:
    card = saved(data, tmp_path, "linear")[1].card
    planted(tmp_path, card, bomb(tmp_path / "ran"))
    with pytest.raises(DataError, match="tercel signals train"):
        load(tmp_path)
    assert not (tmp_path / "ran").exists()
    with np.load(io.BytesIO(bomb(tmp_path / "ran")), allow_pickle=True) as kept:
        assert kept["coef_"].shape == (2,)
    assert (tmp_path / "ran").exists(), "it would have run"


@pytest.mark.parametrize("version", [1, 3, 5])
def test_a_folder_of_another_format_is_refused_unread(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    card = saved(data, tmp_path, "linear")[1].card
    planted(
        tmp_path,
        {**card, "format": version},
        bomb(tmp_path / "ran"),
        file="00-boosting.joblib",
        family="boosting",
    )
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(
        DataError, match=rf"format {version} .* were not opened.*tercel signals train CONFIG.toml"
    ):
        load(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("data_of", [b"no archive", b"PK\x03\x04 cut short", b""])
def test_what_is_no_archive_is_refused(data: Dataset, tmp_path: Path, data_of: bytes) -> None:
    card = saved(data, tmp_path, "linear")[1].card
    planted(tmp_path, card, data_of)
    with pytest.raises(DataError, match="as it was trained"):
        load(tmp_path)


def test_trees_that_lead_back_are_refused(data: Dataset, tmp_path: Path) -> None:
    """Rows would go round in them for ever."""
    pytest.importorskip("sklearn")
    card = saved(data, tmp_path, "forest")[1].card
    file = tmp_path / card["parts"][0]["file"]
    with np.load(file, allow_pickle=False) as stored:
        kept = {name: stored[name] for name in stored.files}
    kept["left_"] = np.zeros_like(kept["left_"])
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **kept)
    planted(tmp_path, card, packed.getvalue())
    with pytest.raises(DataError, match="lead down"):
        load(tmp_path)


def test_a_card_is_held_to_its_hash(data: Dataset, tmp_path: Path) -> None:
    card = dict(saved(data, tmp_path, "linear")[1].card)
    card["alpha"] = {**card["alpha"], "unit_bps": -100 * card["alpha"]["unit_bps"]}
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(DataError, match="was edited"):
        load(tmp_path)
