"""A provider's configuration in a few lines, for `holdover check`."""

from holdover.rules import Provider


def summary(provider: Provider) -> str:
    """Who it is, and what each route promises."""
    settings = provider.settings
    kinds = ", ".join(sorted(settings.projection.kinds)) or "none"
    lines = [f"  {provider.name}: profile {settings.profile}, clients {settings.clients}, projections {kinds}"]
    for route in provider.routes:
        of = route.settings
        methods = "/".join(of.methods)
        group = f", group {of.group}" if of.group else ""
        times = f"window {of.window_s:g} s, served up to {of.max_stale_s:g} s"
        lines.append(f"    {methods} {of.path}  {times}{group}  ({route.name})")
    return "\n".join(lines)
