"""Several orders in one world, one after another."""
