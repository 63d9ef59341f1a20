"""The desk's file that a training leaves, written again: what its owner made of it is kept."""

from pathlib import Path

import numpy as np

import tercel as tc
from tercel.api.desk.config import how_to_trade, read_config


def test_a_file_that_its_owner_changed_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    tc.save_policy([(np.zeros((50, 8)), np.eye(8)[2])], folder / "policy", "mine")
    line = how_to_trade(folder, folder / "policy")
    file, old = folder / "desk.toml", folder / "desk.old"
    text = file.read_text()
    assert line in text.splitlines()[0]
    assert how_to_trade(folder, folder / "policy") == line
    assert not old.exists()
    file.write_text("# mine\n" + text)
    how_to_trade(folder, folder / "policy")
    assert (file.read_text(), old.read_text()) == (text, "# mine\n" + text)
    assert read_config(file).agent[0].name == "trained"
