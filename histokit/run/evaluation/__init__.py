"""What the evaluations of segmenters and of translators are made of."""
