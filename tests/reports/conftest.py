"""What tests of reported cases share."""

from pathlib import Path

import pytest
from tests.reports.tape import written


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of `tests.reports.tape`; nobody writes into it."""
    return written(tmp_path_factory.mktemp("reports"))
