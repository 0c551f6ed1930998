"""Promotions that operations edit: read, checked, chosen and told."""
