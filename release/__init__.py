"""What scripts/package runs: a release's versions, its notes, and the integration as HACS downloads it."""
