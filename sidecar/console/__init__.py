"""Pages for those who decide what the homepage shows."""
