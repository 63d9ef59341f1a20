"""A FIX acceptor in front of any venue, in FIX 4.2 and 4.4 or in a venue's own words."""
