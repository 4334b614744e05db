"""Data sets: readers, splits, augmentation, and the feeds that training draws from."""
