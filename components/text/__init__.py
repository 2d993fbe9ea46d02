"""Text analysis for every step: word hashes, shingles, sentences, scripts."""
