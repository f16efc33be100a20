"""pytorch_optimizer: the schedulers that `get_supported_lr_schedulers()` lists."""
