"""What both processes watch while they run: the configuration folder and their own event loop."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any

from holdover.config import Config, ConfigError, digest, load
from holdover.metrics import RuntimeMetrics

POLL_S = 0.5
LAG_INTERVAL_S = 0.5

logger = logging.getLogger("holdover.config")


def took_over(config: Config, metrics: RuntimeMetrics) -> None:
    """Shows in the metrics that `config` is in force."""
    metrics.config_reloads.labels("config", "ok").inc()
    metrics.config_success.labels("config").set(time.time())
    metrics.config.info({"sha256": config.digest})


async def config_changes(
    config: Config, environ: Mapping[str, str], metrics: RuntimeMetrics
) -> AsyncIterator[Config]:
    """Every later configuration that is valid. A bad edit is reported once and changes nothing.

    Polled by content: notifications miss renames over, symlinks and network mounts. A content must read the same
    twice before it counts, so that a half-written file is not reported."""
    seen = settled = config.digest
    while True:
        await asyncio.sleep(POLL_S)
        try:
            current = await asyncio.to_thread(digest, config.folder)
        except OSError:
            continue
        if current == settled or current != seen:
            seen = current
            continue
        settled = current
        try:
            changed = await asyncio.to_thread(load, config.folder, environ)
        except ConfigError as error:
            metrics.config_reloads.labels("config", "error").inc()
            logger.error("the configuration was changed but is not usable; the last good one stays:\n%s", error)  # noqa: TRY400
            continue
        except Exception:
            metrics.config_reloads.labels("config", "error").inc()
            logger.exception("the changed configuration could not be read; the last good one stays")
            continue
        if _needs_restart(config, changed):
            logger.warning("addresses, folders, socket and [upstream] take effect at the next start")
        took_over(changed, metrics)
        logger.info("the configuration was changed and is in force")
        config = changed
        yield changed


async def observe_loop(metrics: RuntimeMetrics) -> None:
    """Measures for ever how late the event loop runs a timer."""
    while True:
        due = time.perf_counter() + LAG_INTERVAL_S
        await asyncio.sleep(LAG_INTERVAL_S)
        metrics.loop_lag.observe(max(0.0, time.perf_counter() - due))


def start(jobs: Iterable[Coroutine[Any, Any, None]], metrics: RuntimeMetrics) -> list[asyncio.Task[None]]:
    """Runs jobs that never end; one that does is an internal error, told and counted."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            metrics.internal_errors.labels("background").inc()
            logger.error("a background job ended; restart this process", exc_info=task.exception())

    tasks = [asyncio.create_task(job) for job in jobs]
    for task in tasks:
        task.add_done_callback(ended)
    return tasks


async def cancel(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels the tasks and waits until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _needs_restart(old: Config, new: Config) -> bool:
    return any(
        getattr(old.settings, table) != getattr(new.settings, table)
        for table in ("proxy", "sidecar", "store", "upstream")
    )
