"""The training loop: step, schedule, data order, checkpoints, strategy."""
