"""Prices as Americans write them."""


def decimal(price: float) -> float:
    """+150 is 2.5, -200 is 1.5; 0, at which nothing can be had, for what is no American price."""
    if not 100 <= abs(price) < 1e9:
        return 0.0
    return 1 + price / 100 if price > 0 else 1 - 100 / price
