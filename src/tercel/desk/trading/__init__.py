"""The session: orders, journal, recovery, the gate before the venue, and the desk that joins the pillars."""
