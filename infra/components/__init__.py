"""A component a concern. Each takes what it needs as arguments, and makes its resources with itself as
parent."""
