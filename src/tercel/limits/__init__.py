"""Hard pre-trade limits. Imports `core` alone; nothing that learns can touch it."""
