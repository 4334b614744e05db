"""From probabilities of pixels to objects."""
