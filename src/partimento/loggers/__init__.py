"""Loggers: where the numbers of a run go, and how they are read back."""
