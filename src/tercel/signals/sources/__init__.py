"""Sources of signals: one port (:mod:`.port`), one adapter a file."""
