"""Text tables and n-gram hashing shared by every step."""
