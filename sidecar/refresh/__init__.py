"""Keeps demanded keys fresh: when (schedule) and how (worker)."""
