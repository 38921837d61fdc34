"""What `benchmarks.stream` is made of: its input, its processes, what it measures, and its report."""
