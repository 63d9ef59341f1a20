"""What somebody's own fills cost, held against the tape, and what strategies would have cost on the same orders."""
