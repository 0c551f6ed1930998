"""Emulated odds vendors: each one's shapes, limits and errors over a small board of invented prices."""
