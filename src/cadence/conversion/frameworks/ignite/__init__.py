"""ignite.handlers: parameter schedulers, which are called at each event and set absolute values."""
