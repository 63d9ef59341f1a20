"""What engines that others wrote say of the same orders on the same days."""
