"""A 2D U-Net planned as nnU-Net plans one: its plan, its layers and the head that reads it."""
