"""The painter behind `synth-he`: tissue, nuclei, stains and scanners, all computed."""
