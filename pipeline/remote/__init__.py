"""Remote: how a node works in a container, far from the root that it reads."""
