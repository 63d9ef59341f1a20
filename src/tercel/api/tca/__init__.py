"""What somebody's own fills cost against the tape, and what strategies would have cost on the same orders."""
