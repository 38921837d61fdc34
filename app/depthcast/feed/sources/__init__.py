"""Where a feed's records come from: DBN files, the simulated exchange, another gateway."""
