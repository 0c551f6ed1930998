"""What data cannot say about a vendor; what it can say stands in `config/providers/`."""
