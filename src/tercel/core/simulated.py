"""How a server of this package proves that no money is behind it: it answers a number that nobody can foresee.

A server in front of a simulated exchange answers, before any logon, with a digest over the number and what it speaks. A
server that repeats what it hears, and one that knows nothing of this, do not pass.
"""

import hashlib

PATH = "/tercel/simulated"
"""Where it is asked over HTTP: `?nonce=...`."""


def proof(words: str, nonce: str) -> str:
    """The answer of a simulated exchange that speaks `words` (fix, binance).

    >>> proof("fix", "a") != proof("binance", "a") != proof("binance", "b")
    True
    """
    return hashlib.sha256(
        f"a simulated exchange of tercel in the words of {words}: {nonce}".encode()
    ).hexdigest()
