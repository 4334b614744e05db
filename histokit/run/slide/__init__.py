"""Whole slides: read, worked on and written block by block."""
