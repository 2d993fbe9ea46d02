"""Sampling: splits, mixing weights, upsampling."""
