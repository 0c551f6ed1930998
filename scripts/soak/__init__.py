"""holdover under random faults and load, and what came of each of its promises."""
