"""Windows over images of any size, and their outputs blended back."""
