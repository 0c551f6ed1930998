"""Which header fields of a request tell who asks, so that the answer may be for him alone."""

import re
from functools import lru_cache

CREDENTIAL_LIKE = frozenset(
    "apikey api_key api-key key token access_token access-token auth authorization password passwd secret "
    "client_secret signature sig session sessionid x-api-key x-auth-token x-authentication x-access-token".split()
)
"""Names under which APIs take credentials, as parameters too. One that a provider does not declare sends the request
past the cache: it must not enter a key or the store."""

# Whole words between dashes, underscores and dots; before some, more of the word (`apisportskey`, `authtoken`). None
# is in a field that browsers send with each request: User-Agent, Sec-CH-*, Origin and their like; Sec-Fetch-User
# tells of a click, and the key of a WebSocket is a nonce.
_WORDS = re.compile(
    r"(?:^|[-_.])(?:"
    r"(?<!sec-websocket-)[a-z0-9]*(?:key|token|secret|cookie|password|credential)s?|cookie2|[a-z0-9]*session(?:id)?|"
    r"o?auth2?|auth[nz]|authori[sz]ation|authentication|bearer|jwt|saml|oidc|dpop|"
    r"passwd|passphrase|pwd|sid|sig|sign|signature|certificate|cert|login|email|identity|tenant|"
    r"(?:user|account|customer|member|client|tenant)[-_.]?u?u?id|user[-_.]?name|(?<!sec-fetch-)user$"
    r")(?:$|[-_.])"
)
_LONGEST = 128


@lru_cache(256)
def is_personal(name: str, also: frozenset[str] = frozenset()) -> bool:
    """Whether a field of this name, in any case, tells who asks; `also` are names in lower case that no rule can
    know. One that is too long to be judged does."""
    name = name.lower()
    return len(name) > _LONGEST or name in also or name in CREDENTIAL_LIKE or _WORDS.search(name) is not None
