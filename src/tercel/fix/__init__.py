"""FIX 4.2 and 4.4 on both sides: a server before any venue, and any acceptor as a venue (`profiles`)."""
