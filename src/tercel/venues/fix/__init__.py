"""FIX 4.4 and 4.2 on both sides, on an engine of our own: a server before any venue, a venue behind any server."""
