"""What `benchmarks.serve` is made of: its processes, its load generators, what it measures, and its report."""
