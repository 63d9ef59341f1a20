"""A folder that is made once: by the first who asks, whole or not at all."""

from pathlib import Path

import pytest
from tests.made_once import made_once


def test_a_folder_is_made_by_the_first_who_asks(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = list[Path]()

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "one").write_text("of two")
        if len(made) == 1:
            raise OSError("the disk is full")
        (folder / "two").write_text("of two")

    with pytest.raises(OSError, match="full"):
        made_once(tmp_path_factory, "test-of-itself", make)
    assert not made[0].exists()
    first, second = (made_once(tmp_path_factory, "test-of-itself", make) for _ in range(2))
    assert first == second == made[1]
    assert sorted(file.name for file in first.iterdir()) == ["one", "two"]
    assert len(made) == 2
