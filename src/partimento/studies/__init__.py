"""Studies: many runs."""
