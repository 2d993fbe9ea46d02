"""Text analysis for every step: word hashes, shingles, near duplicates, scripts."""
