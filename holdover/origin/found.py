"""A request to a route whose freshness is the origin's, with what is stored for it and what follows."""

from dataclasses import dataclass

from holdover.caching.directives import Directives, control
from holdover.caching.reuse import Use, Validate, asked_of, judged
from holdover.caching.stored import Stored, Variants, key_of
from holdover.caching.validation import CONDITIONAL
from holdover.caching.vary import nominated, selected
from holdover.exchange import Request
from holdover.key import ForOrigin
from holdover.metrics import Trigger
from holdover.origin.fetch import Errand
from holdover.origin.shelf import OriginShelf


@dataclass(frozen=True, slots=True)
class Found:
    """`asks` and `told` are what the request and what is `chosen` for it say; `verdict` is None when nothing is."""

    route: ForOrigin
    request: Request
    asks: Directives
    variants: Variants
    chosen: Stored | None
    told: Directives
    verdict: Use | Validate | None

    @property
    def why(self) -> str:
        """Why it is forwarded, as RFC 9211 has it."""
        if isinstance(self.verdict, Validate):
            return self.verdict.why
        return "vary-miss" if self.variants.stored else "uri-miss"

    @property
    def alike(self) -> str:
        """Equal for requests that what is stored tells to be alike."""
        return f"{self.variants.key} {nominated(self.variants.stored, self.request.headers)}"

    @property
    def may_be_shared(self) -> bool:
        """Whether others may wait for the answer to this request: nothing in it is for one client alone."""
        names = {name.lower() for name, _ in self.request.headers}
        whole = self.chosen is not None or names.isdisjoint(CONDITIONAL | {"range"})
        return whole and not self.is_personal and "no-store" not in self.asks and "no-cache" not in self.asks

    @property
    def is_personal(self) -> bool:
        """Whether it tells who asks."""
        return any(self.route.provider.is_personal(name) for name, _ in self.request.headers)

    def errand(self, trigger: Trigger, within_s: float) -> Errand:
        settings, limited = self.route.route.settings, not self.is_personal
        return Errand(settings, self.request, self.variants, self.chosen, trigger, limited, within_s)


def nothing_of(asked: ForOrigin) -> Variants:
    """What is stored of a URI of which nothing is."""
    provider = asked.provider
    return Variants(provider.name, asked.route.name, key_of(provider.name, asked.target, provider.personal))


async def look_up(shelf: OriginShelf, asked: ForOrigin, request: Request, now: float) -> Found:
    settings, asks = asked.route.settings, asked_of(request.headers)
    variants = await shelf.get(nothing_of(asked))
    chosen, told, verdict = selected(variants.stored, request.headers), Directives(), None
    if chosen is not None:
        told = control(chosen.headers, settings.targeted).without(settings.override)
        verdict = judged(chosen, told, asks, now)
    return Found(asked, request, asks, variants, chosen, told, verdict)
