"""Tools of who develops a venue or a limit: FIX certification, the fault matrix, the limits written a second time."""
