"""What recorded days say of size on show, of metaorders, of replenishment and of queue models."""
