"""A provider's configuration in a few lines, for `holdover check`."""

from collections.abc import Iterator

from holdover.provider_settings import ProviderSettings
from holdover.route_settings import RouteSettings
from holdover.rules import Provider


def summary(provider: Provider) -> str:
    """With a warning for each promise that cannot be kept."""
    settings = provider.settings
    kinds = ", ".join(sorted(settings.projection.kinds)) or "none"
    lines = [f"  {provider.name}: profile {settings.profile}, clients {settings.clients}, projections {kinds}"]
    lines += [f"    warning: {sentence}" for sentence in _never_trusted(settings)]
    for route in provider.routes:
        of = route.settings
        methods = "/".join(of.methods)
        group = f", group {of.group}" if of.group else ""
        times = f"window {of.window_s:g} s, served up to {of.max_stale_s:g} s"
        lines.append(f"    {methods} {of.path}  {times}{group}  ({route.name})")
        lines += [f"      warning: {sentence}" for sentence in _too_soon(provider, of)]
    return "\n".join(lines)


def _never_trusted(settings: ProviderSettings) -> Iterator[str]:
    """What is used only after comparisons went well, without any comparison."""
    if settings.shadow.one_in == 0:
        if "odds" in settings.projection.kinds:
            yield 'kind "odds" is used only after comparisons went well; without [shadow] one_in it never is'
        if settings.projection.learn_regions:
            yield "learnt regions are used only after comparisons went well; without [shadow] one_in they never are"


def _too_soon(provider: Provider, of: RouteSettings) -> Iterator[str]:
    """A window that is promised and cannot be kept, because calls have to be further apart."""
    together = [route.settings for route in provider.routes if of.group and route.settings.group == of.group]
    quickest = min([of, *together], key=lambda each: each.window_s)
    if of.min_interval_s > of.window_s:
        yield f"min_interval_s = {of.min_interval_s:g} is longer than the window; odds are renewed that often at best"
    elif of.min_interval_s > quickest.window_s:
        yield (
            f"min_interval_s = {of.min_interval_s:g} is longer than the {quickest.window_s:g} s in which "
            f"{quickest.name} renews group {of.group}; this route cannot keep up"
        )
