"""Diagnostics: callbacks that watch training and never change its weights."""
