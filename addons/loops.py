"""The event loop of a proxy process: uvloop's where that is installed (`holdover[uvloop]`), else asyncio's own."""

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """For `asyncio.run`; None for asyncio's own."""
    if find_spec("uvloop") is None:
        return None
    import uvloop

    class Loop(uvloop.Loop):
        """uvloop hands `eager_start` to task factories (https://github.com/MagicStack/uvloop/pull/748). asyncio's
        eager one, which mitmproxy sets, takes no such argument before Python 3.13.3."""

        def set_task_factory(self, factory: Any) -> None:
            if factory is not asyncio.eager_task_factory:
                super().set_task_factory(factory)
                return

            def eager(loop: asyncio.AbstractEventLoop, coro: Any, **named: Any) -> asyncio.Task[Any]:
                named.pop("eager_start", None)
                return asyncio.eager_task_factory(loop, coro, **named)

            super().set_task_factory(eager)

    return Loop
