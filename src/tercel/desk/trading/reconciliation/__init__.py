"""Agreement with the venue: recovery of orders after a restart, comparison of positions, snapshots of the fold."""
