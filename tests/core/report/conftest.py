"""A browser in which pages of reports are looked at."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.desk.console.browser import chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page
