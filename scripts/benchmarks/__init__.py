"""Measures what holdover promises, on real processes. One module per scenario; `registry.py` names them all."""
