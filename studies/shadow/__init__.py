"""A desk in shadow beside the same desk that really traded."""
