"""Decimal prices with a fixed number of places, their other spellings, and their drift."""

from __future__ import annotations

import random
from fractions import Fraction

LOWEST, HIGHEST = 1.05, 20.0


def opening(rng: random.Random, places: int = 2) -> float:
    return round(rng.uniform(1.4, 4.5), places)


def moved(rng: random.Random, price: float, places: int = 2) -> float:
    """Another price near by: never the same one, between LOWEST and HIGHEST."""
    step = max(1 / float(10**places), price * rng.uniform(0.01, 0.06))
    up = price - step < LOWEST or (price + step <= HIGHEST and rng.random() < 0.5)
    return round(price + step if up else price - step, places)


def american(price: float) -> int:
    """The nearest American price; 2.0 is +100."""
    return round((price - 1) * 100) if price >= 2 else -round(100 / (price - 1))


def fraction(price: float) -> str:
    exact = Fraction(round((price - 1) * 100), 100)
    return f"{exact.numerator}/{exact.denominator}"
