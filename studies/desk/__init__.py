"""What each arrow of the desk's loop is worth, and the desk beside each of its agents alone."""
