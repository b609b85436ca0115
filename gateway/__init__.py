"""The shell around the pure cores: HTTP in, Redis beside, pushes out."""
