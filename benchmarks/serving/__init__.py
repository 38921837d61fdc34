"""What `benchmarks.serve` is made of: its processes, load generators, what it measures, and its report."""
