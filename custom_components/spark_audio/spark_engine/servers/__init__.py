"""What is said to Parakeet and Magpie servers over HTTP, and which servers there are."""
