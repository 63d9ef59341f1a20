"""Tables that people bring: what their cells mean."""
