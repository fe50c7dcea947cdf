"""How a server is, what restarts it, and which one is asked."""
