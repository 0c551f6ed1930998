"""The shared cache behind a small protocol."""
