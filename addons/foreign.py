"""Addons of other people beside this one: they see what goes through mitmproxy's flows, and nothing else."""

from collections.abc import Iterable

from mitmproxy.addonmanager import traverse

_HOOKS = ("requestheaders", "request", "responseheaders", "response")


def foreign(chain: Iterable[object], own: object) -> list[str]:
    """Names of those in mitmproxy's chain that listen to requests or responses, without mitmproxy's own and `own`."""
    return sorted(
        _name(addon)
        for addon in traverse(chain)
        if addon is not own
        and not _module(addon).startswith("mitmproxy.")
        and any(callable(getattr(addon, hook, None)) for hook in _HOOKS)
    )


def _module(addon: object) -> str:
    """Where it is from; an addon may be a module itself."""
    name = getattr(addon, "__name__", None)
    return name if isinstance(name, str) else type(addon).__module__


def _name(addon: object) -> str:
    name = getattr(addon, "__name__", None)
    return (name if isinstance(name, str) else type(addon).__name__).removeprefix("__mitmproxy_script__.")
