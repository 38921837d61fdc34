"""The REST routes, a module a resource."""
