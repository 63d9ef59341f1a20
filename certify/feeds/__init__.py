"""What holds a feed against something written another way: files of its format."""
