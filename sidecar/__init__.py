"""The refresher process and the `holdover` command."""
