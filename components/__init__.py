"""The steps: one file each, config, transforms, verb, noun."""
