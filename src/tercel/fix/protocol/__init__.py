"""FIX 4.2 and 4.4 in plain Python: codec, dictionaries, session; no sockets, clocks or files."""
