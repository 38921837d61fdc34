"""What the benchmark of the store is made of."""
