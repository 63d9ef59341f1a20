"""The session-layer acceptance scripts of the reference engine, at the acceptor's side of our session."""

from pathlib import Path

import pytest
from tests.fix.protocol.acceptance import Script

NO_REASON = "FIX 4.2 has no such SessionRejectReason"
FAILING: dict[str, dict[str, str]] = {
    "FIX.4.4": {},
    "FIX.4.2": {
        "14g_HeaderBodyTrailerFieldsOutOfOrder": NO_REASON,
        "14h_RepeatedTag": NO_REASON,
        "14i_RepeatingGroupCountNotEqual": NO_REASON,
        "21_RepeatingGroupSpecifierWithValueOfZero": "FIX 4.2 has no field 454",
    },
}
"""Scripts that fail, and why: they are written for 4.4."""


@pytest.mark.parametrize("begin", FAILING)
def test_the_acceptance_scripts(shared_peers: Path, begin: str) -> None:
    failed = {}
    paths = sorted((shared_peers / "quickfix_acceptance" / "fix44").glob("*.def"))
    for path in paths:
        try:
            Script(path, begin).run()
        except AssertionError as error:
            failed[path.stem] = str(error)
    assert failed.keys() == FAILING[begin].keys(), failed
    assert len(paths) == 59
