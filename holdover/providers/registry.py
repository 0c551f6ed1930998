"""The profile of each vendor by the name that `profile` has in a provider's settings."""

from collections.abc import Mapping

from holdover.providers.betfair import Betfair
from holdover.providers.pinnacle import Pinnacle
from holdover.providers.profile import Profile
from holdover.providers.the_odds_api import TheOddsApi

PROFILES: Mapping[str, Profile] = {
    "generic": Profile(),
    "the-odds-api": TheOddsApi(),
    "pinnacle": Pinnacle(),
    "betfair": Betfair(),
}
