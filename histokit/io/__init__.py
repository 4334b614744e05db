"""Files: images, labels, maps, outlines, checkpoints and run folders."""
