"""The cache: what a node depends on, and whether its result is already published."""
