"""FIX 4.2 and 4.4 in plain Python: codec, dictionaries and the session, without a socket, a clock or a file in them."""
