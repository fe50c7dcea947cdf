"""A reconstruction of the design that Spark Audio replaces, to be measured beside it."""
