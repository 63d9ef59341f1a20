"""What several studies share: scores of chances, settings laid over a training's."""
