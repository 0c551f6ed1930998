"""Routes whose freshness is the origin's: what `holdover.caching` decides, done."""
