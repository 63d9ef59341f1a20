"""Recorded outputs of the code base, and the comparison of today's with them.

A guard runs commands in an empty folder and boils down what they leave to keys and figures. Its record is a file in
`recorded/`. A change that is to change nothing is harmless when every guard finds its record again, old keys read
through `keys.toml`:

    python -m guards compare             every guard (`make guards`)
    python -m guards compare options     one of them
    python -m guards record journal      write a record anew, and say what changed

A record that is written anew is a commit of its own. It names every key and figure that changed, and why.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(
        _name, "1"
    )  # read when NumPy is imported: sums of many threads are of another order
