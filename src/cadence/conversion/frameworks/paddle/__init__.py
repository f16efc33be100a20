"""paddle.optimizer.lr."""
