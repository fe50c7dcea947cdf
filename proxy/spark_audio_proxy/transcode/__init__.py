"""Between the world's audio formats and PCM."""
