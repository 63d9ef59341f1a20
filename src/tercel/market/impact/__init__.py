"""Impact: what own trades do to prices beyond the lots that they take."""
