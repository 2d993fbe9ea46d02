"""Keras and TensorFlow: tokenizers, families, tasks and the training loop."""
