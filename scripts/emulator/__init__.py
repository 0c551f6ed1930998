"""An emulated odds provider: shapes, costs and failures of The Odds API v4, invented prices."""
