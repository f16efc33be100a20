"""keras.optimizers.schedules, and the callbacks of Keras that move the learning rate."""
