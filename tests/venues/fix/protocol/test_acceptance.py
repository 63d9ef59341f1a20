"""The session-layer acceptance scripts of the reference engine, at the acceptor's side of our session."""

from pathlib import Path

import pytest
from tests.venues.fix.protocol.acceptance import Script

FAILING: dict[str, str] = {}
"""Scripts that fail, and why."""


@pytest.fixture(scope="module")
def scripts(shared_peers: Path) -> list[Path]:
    return sorted((shared_peers / "quickfix_acceptance" / "fix44").glob("*.def"))


def test_the_acceptance_scripts(scripts: list[Path]) -> None:
    failed = {}
    for path in scripts:
        try:
            Script(path).run()
        except AssertionError as error:
            failed[path.stem] = str(error)
    assert failed.keys() == FAILING.keys(), failed
    assert len(scripts) == 59
