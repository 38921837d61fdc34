"""Programs that measure Depthcast and print the published tables. `make bench` runs them."""
