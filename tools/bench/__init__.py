"""What Spark Audio costs and gains, measured side by side: one module for each question."""
