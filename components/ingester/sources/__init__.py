"""Sources: where documents come from, one origin a file."""
