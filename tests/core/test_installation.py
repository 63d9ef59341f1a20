"""What a machine's administrator says counts where the users who trade could not have written it."""

import os
from pathlib import Path

import pytest

from tercel.core import installation as i
from tercel.core.errors import ConfigError

NOBODY = 65_534 if os.geteuid() != 65_534 else 65_533
"""A user who owns nothing here."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installation's file, read by another user than who owns it."""
    file = tmp_path / "etc" / "installation.toml"
    file.parent.mkdir(mode=0o755)
    file.write_text('test_hosts = ["127.0.0.1:9"]\npeople = "/etc/tercel/people.json"\n')
    file.chmod(0o644)
    monkeypatch.setattr(i, "FILE", file)
    monkeypatch.setattr(i.os, "geteuid", lambda: NOBODY)
    return file


def test_it_is_read_and_without_one_nothing_is_said(file: Path) -> None:
    assert i.read_installation() == i.Installation(
        test_hosts=("127.0.0.1:9",), people="/etc/tercel/people.json"
    )
    file.unlink()
    assert i.read_installation() == i.Installation()


@pytest.mark.parametrize(
    ("what", "mode"), [("file", 0o666), ("file", 0o664), ("folder", 0o777), ("folder", 0o775)]
)
def test_a_file_that_others_may_write_or_replace_is_refused(
    file: Path, what: str, mode: int
) -> None:
    changed = file if what == "file" else file.parent
    changed.chmod(mode)
    with pytest.raises(
        ConfigError, match=rf"{changed}, mode {mode:o}, which uid {NOBODY} can change.*chmod go-w"
    ):
        i.read_installation()


def test_a_file_or_folder_of_the_user_who_trades_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.getuid()
    if mine == 0:  # a folder above that is another's
        monkeypatch.setattr(i.os, "geteuid", lambda: NOBODY)
        os.chown(file.parent, NOBODY, -1)
        with pytest.raises(
            ConfigError, match=f"{file.parent}, mode 755, which uid {NOBODY} can change"
        ):
            i.read_installation()
        os.chown(file.parent, 0, -1)
        os.chown(file, NOBODY, -1)
    else:
        monkeypatch.setattr(i.os, "geteuid", lambda: mine)
    with pytest.raises(ConfigError, match=r"installation\.toml, mode 644, which uid"):
        i.read_installation()


def test_a_link_counts_by_where_it_stands_and_where_it_leads(file: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    (theirs / "people.json").write_text("{}")
    link = file.parent / "people.json"
    link.symlink_to(theirs / "people.json")
    back = theirs / "back.toml"
    back.symlink_to(file)
    for one in (link, back):
        with pytest.raises(ConfigError, match=f"{theirs}, mode 777"):
            i.check_guarded(one, NOBODY)
    with pytest.raises(ConfigError, match="none that this user can read"):
        i.check_guarded(file.parent / "none", NOBODY)


def test_root_could_have_written_every_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i.os, "geteuid", lambda: 0)
    with pytest.raises(
        ConfigError, match=r"root, who can write every file\. To go on: run desk and gate as users"
    ):
        i.read_installation()
