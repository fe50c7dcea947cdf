"""What runs around the product: the demo, the bench and the pictures of the documentation, over one stack."""
