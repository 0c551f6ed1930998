"""What clients asked for, as the sidecar is told once a second. The report is also the sign of life of both sides."""

from holdover.answer import Ready
from holdover.canonical import CanonicalRequest
from holdover.hot import HotTier
from holdover.key import Cacheable
from holdover.link import Link, LinkDown
from holdover.quota import Told
from holdover.variants import is_variant

MAX_COMPARED = 100
MAX_ASKED = 5_000
"""Keys in a report. One of all that a flood of ever new keys asks for would take long; meanwhile more come, and the
next one takes longer."""

MAX_ASKED_CHARACTERS = 1_000_000
"""Of them. A report that is longer than the sidecar takes would end the line; JSON has up to twelve for each."""


class Demand:
    """Of one proxy process. For one event loop."""

    def __init__(self, link: Link, hot: HotTier) -> None:
        self._link = link
        self._hot = hot
        self._asked: dict[str, CanonicalRequest] = {}
        self._characters = 0
        self._to_compare: list[CanonicalRequest] = []
        self._projected_hits = 0

    def note(self, cacheable: Cacheable, ready: Ready, now: float) -> None:
        """A client was given this answer. Told once in a while as long as the sidecar knows of the demand, which is
        not for variants: these are not kept fresh. What finds no room in a report is told when next given."""
        if is_variant(cacheable.route.settings, cacheable.canonical):
            return
        told, key = ready.kept == self._link.generation, cacheable.canonical.key
        if told and now - ready.reported_at <= cacheable.route.settings.idle_after_s / 4:
            return
        if key not in self._asked:
            length = cacheable.canonical.length
            if len(self._asked) >= MAX_ASKED or self._characters + length > MAX_ASKED_CHARACTERS:
                return
            self._characters += length
            self._asked[key] = cacheable.canonical
        ready.reported_at = now

    def sample(self, cacheable: Cacheable, ready: Ready, times: int) -> None:
        """Some of the hits that show whether projections are right, or would be, are compared."""
        provider = cacheable.provider
        if (one_in := provider.settings.shadow.one_in) and (ready.entry.projected or provider.has_trials):
            before, self._projected_hits = self._projected_hits, self._projected_hits + times
            if self._projected_hits // one_in > before // one_in and len(self._to_compare) < MAX_COMPARED:
                self._to_compare.append(cacheable.canonical)

    def keeps_fresh(self, cacheable: Cacheable, ready: Ready, now: float) -> bool:
        """Whether the sidecar is known to refresh this answer: this process told this very sidecar of the demand not
        long ago, it accepted, and it answered the last report."""
        told = ready.kept == self._link.generation
        return told and ready.reported_at + cacheable.route.settings.idle_after_s > now and self._link.up

    async def report(self) -> tuple[Told, ...] | None:
        """Tells the sidecar; what providers told of their quotas meanwhile, or None when there is none."""
        reported, self._asked, self._characters = self._asked, {}, 0
        compare, self._to_compare = self._to_compare, []
        try:
            answer = await self._link.demand(reported.values(), compare)
        except LinkDown:
            answer = None
        for key in reported:
            if (ready := self._hot.get(key)) is not None:
                ready.kept = 0 if answer is None or key in answer.declined else self._link.generation
        return answer.told if answer is not None else None
