"""A provider that speaks HTTP wrongly, on raw sockets and without an HTTP library."""
