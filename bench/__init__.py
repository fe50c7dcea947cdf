"""Side-by-side measurements: one module per question, one command per module."""
