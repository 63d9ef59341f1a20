"""The description of the console's HTTP, without a server or a desk: `make console` makes the page's types of it."""

import json
import sys
import time
from pathlib import Path

from tercel.api.console.connected import Desks
from tercel.api.console.people import People
from tercel.api.console.web import create_app


def schema() -> str:
    """What `/openapi.json` says, as text."""
    app = create_app(Desks(), People(Path("nobody.json"), time.time), time.monotonic)
    return json.dumps(app.openapi(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
