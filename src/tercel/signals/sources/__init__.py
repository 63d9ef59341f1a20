"""Where signals come from: one port (:mod:`.port`), one adapter a file."""
