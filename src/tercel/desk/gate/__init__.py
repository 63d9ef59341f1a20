"""The wall between sessions and a venue: a process that holds the venue's session, the limits and the kill latch."""
