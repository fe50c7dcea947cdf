"""What performs a restart, and the ledger of restarts."""
