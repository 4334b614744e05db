"""The four kinds of networks of SynDiff, in plain torch operations."""
