"""The demonstration: legacy clients straight at an emulated provider, then the same clients through holdover."""
