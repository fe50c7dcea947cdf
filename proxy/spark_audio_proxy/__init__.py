"""The thin OpenAI face of a Spark: `/v1` audio endpoints over Parakeet and Magpie."""
