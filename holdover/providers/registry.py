"""The profile of each vendor by the name that `profile` has in a provider's settings."""

from holdover.providers.betfair import Betfair
from holdover.providers.pinnacle import Pinnacle
from holdover.providers.profile import Profile
from holdover.providers.the_odds_api import TheOddsApi


def profile_of(name: str) -> Profile:
    """The profile called `name`, which the settings have checked."""
    match name:
        case "the-odds-api":
            return TheOddsApi()
        case "pinnacle":
            return Pinnacle()
        case "betfair":
            return Betfair()
    return Profile()
