"""uvloop beneath mitmproxy."""

import asyncio
from importlib.metadata import version

from addons.loops import loop_factory


def test_tasks_may_begin_at_once_on_the_loop_that_a_proxy_runs_on():
    begun: list[str] = []

    async def job() -> str:
        begun.append("job")
        await asyncio.sleep(0)
        return "done"

    async def main() -> str:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        task = asyncio.create_task(job())
        assert begun == ["job"]
        return await task

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        assert runner.run(main()) == "done"
        assert type(runner.get_loop()).__module__ == "addons.loops", version("uvloop")
