import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from holdover.flight import Flights


@pytest.fixture(params=["lazy", "eager"], autouse=True)
async def _task_factory(request):
    if request.param == "eager":
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)


def flights_of() -> Flights[Any]:
    return Flights()


class Call:
    """Counts its starts and ends when told to."""

    def __init__(self, result: Any = "done") -> None:
        self.starts = 0
        self.end = asyncio.Event()
        self.result = result

    async def __call__(self) -> Any:
        self.starts += 1
        await self.end.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def wait(flights: Flights[Any], call: Callable[[], Awaitable[Any]], key: str = "k") -> tuple[Any, bool]:
    task, led = flights.join(key, call)
    return await asyncio.shield(task), led


async def begun(*coroutines: Awaitable[Any]) -> list[asyncio.Future[Any]]:
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(one) for one in coroutines]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_many_waiters_cost_one_call_and_exactly_one_led_it():
    flights, call = flights_of(), Call()
    waiters = await begun(*(wait(flights, call) for _ in range(50)))
    assert (call.starts, len(flights)) == (1, 1)
    call.end.set()
    results = await asyncio.gather(*waiters)
    assert {result for result, _ in results} == {"done"}
    assert sum(led for _, led in results) == 1


async def test_other_keys_fly_on_their_own():
    flights, call = flights_of(), Call()
    waiters = await begun(wait(flights, call, "a"), wait(flights, call, "b"))
    assert (call.starts, len(flights)) == (2, 2)
    call.end.set()
    assert await asyncio.gather(*waiters) == [("done", True), ("done", True)]


@pytest.mark.parametrize("who", [0, 1, 2])
async def test_a_waiter_that_goes_away_takes_nobody_with_it(who):
    flights, call = flights_of(), Call()
    waiters = await begun(*(wait(flights, call) for _ in range(3)))
    waiters.pop(who).cancel()
    await asyncio.sleep(0)
    call.end.set()
    assert [result for result, _ in await asyncio.gather(*waiters)] == ["done", "done"]
    assert call.starts == 1


async def test_the_call_goes_on_when_all_waiters_have_gone():
    flights, call = flights_of(), Call()
    waiters = await begun(*(wait(flights, call) for _ in range(3)))
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert len(flights) == 1
    late = await begun(wait(flights, call))
    call.end.set()
    assert await late[0] == ("done", False)


async def test_an_exception_reaches_every_waiter_and_frees_the_key():
    flights, call = flights_of(), Call(ValueError("broken"))
    waiters = await begun(*(wait(flights, call) for _ in range(3)))
    call.end.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(result) for result in results] == ["broken"] * 3
    call.result = "mended"
    assert await wait(flights, call) == ("mended", True)


async def test_the_key_is_free_again_afterwards():
    flights, call = flights_of(), Call()
    call.end.set()
    for starts in (1, 2, 3):
        assert await wait(flights, call) == ("done", True)
        await asyncio.sleep(0)
        assert (call.starts, len(flights)) == (starts, 0)


async def test_a_call_that_never_waits_leaves_nothing_behind():
    async def at_once():
        return 7

    flights = flights_of()
    task, led = flights.join("k", at_once)
    assert led
    assert len(flights) == (0 if task.done() else 1), "with eager tasks it is over already"
    assert await task == 7
    await asyncio.sleep(0)
    assert len(flights) == 0


async def test_settle_ends_what_flies_and_waits_for_its_end():
    ended: list[bool] = []
    flights, call = flights_of(), Call()

    async def slow_to_end():
        try:
            await call()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    waiters = await begun(*(wait(flights, slow_to_end) for _ in range(2)))
    await flights.settle()
    assert ended == [True]
    assert all(
        isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*waiters, return_exceptions=True)
    )
    await asyncio.sleep(0)
    assert len(flights) == 0
    await flights.settle()


async def test_a_failure_that_nobody_waits_for_is_not_reported_as_lost():
    """The loop would log a traceback for an exception that is never looked at."""
    reports: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context["message"]))
    flights, call = flights_of(), Call(ValueError("broken"))
    (waiter,) = await begun(wait(flights, call))
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    call.end.set()
    for _ in range(5):
        await asyncio.sleep(0)
    del call, waiter
    assert len(flights) == 0
    assert reports == []


async def test_who_comes_in_the_turn_in_which_a_flight_ended_starts_another():
    flights, ended, call = flights_of(), Call(), Call("another")
    first, _ = flights.join("k", ended)
    ended.end.set()
    await first
    # As it is before the callbacks of the first have run.
    flights._flying["k"] = first
    second, led = flights.join("k", call)
    assert led
    flights._forget("k", first)
    assert flights.join("k", call) == (second, False)
    call.end.set()
    assert await second == "another"
    await asyncio.sleep(0)
    assert len(flights) == 0
