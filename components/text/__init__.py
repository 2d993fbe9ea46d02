"""Text tables and n-gram hashing for every step: unspaced, word_hashing, shingles."""
