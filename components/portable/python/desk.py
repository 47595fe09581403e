"""The service: calls, sends, timers, signals, effects, runs, waiting, failing."""

import asyncio
import dataclasses
import datetime
import logging
import random
import time
import uuid
from typing import Optional

from relight import (
    Context,
    InvocationId,
    RetryableError,
    RetryPolicy,
    Service,
    TerminalFailure,
    effect,
    effect_attempt,
)

import shelf

logger = logging.getLogger()

desk = Service("Desk", documentation="Does everything that needs no key.")


@dataclasses.dataclass
class Who:
    """The output of `Desk/who`."""

    id: InvocationId
    caller: Optional[InvocationId]
    tenant: Optional[str]
    idempotency_key: Optional[str]


@dataclasses.dataclass
class Called:
    """The output of `Desk/options`."""

    callee: InvocationId
    who: Who


@dataclasses.dataclass
class Message:
    """A value for somebody: for an awakeable or an invocation, by its id."""

    id: str
    value: str


@dataclasses.dataclass
class Wanted:
    """A failure to be made."""

    code: int
    message: str


@dataclasses.dataclass
class Chance:
    """The output of `Desk/chance`."""

    clock_agrees: bool
    first: list[str]
    second: list[str]


@effect(retry=RetryPolicy(initial_interval=1, factor=2, max_interval=10, max_attempts=4))
async def flaky(until: int) -> int:
    """Fails until its `until`-th attempt, and gives the number of that one. 0 fails for good."""
    attempt = effect_attempt()
    if until == 0:
        raise TerminalFailure("refused", code=402, metadata={"reason": "none wanted"})
    if attempt < until:
        raise RetryableError(f"attempt {attempt} fails")
    return attempt


@effect(retry=RetryPolicy(initial_interval=1, factor=1, max_interval=1, max_attempts=2))
def broken() -> None:
    """Ends with an uncaught error."""
    raise ValueError("the effect is broken")


@effect(name="echo")
def echo_effect(text: str) -> str:
    """Gives its input back."""
    return text


@desk.handler
async def echo(ctx: Context, text: str) -> str:
    """Gives its input back."""
    return text


@desk.handler
def nothing(ctx: Context) -> None:
    """Takes nothing and gives nothing."""


@desk.handler
async def who(ctx: Context) -> Who:
    """What an invocation knows about itself."""
    return Who(ctx.invocation_id, ctx.caller, ctx.headers.get("x-tenant"), ctx.idempotency_key)


@desk.handler
async def call(ctx: Context, key: str) -> int:
    """A call, awaited."""
    return await ctx.call(shelf.add, 1, key=key)


@desk.handler
async def options(ctx: Context, key: str) -> Called:
    """A call with everything that a call may have."""
    called = ctx.call(who, name="who", idempotency_key=key, headers={"x-tenant": "t1"})
    return Called(called.invocation_id, await called)


@desk.handler
async def sends(ctx: Context, key: str) -> list[InvocationId]:
    """Sends now, in a minute, and at an instant in two minutes."""
    return [
        ctx.send(shelf.add, 1, key=key),
        ctx.send(shelf.add, 10, key=key, idempotency_key=key, delay=60),
        ctx.send(shelf.add, 100, key=key, at=ctx.now() + datetime.timedelta(minutes=2)),
    ]


@desk.handler
async def sleep(ctx: Context, delay_ms: int) -> int:
    """Sleeps, and then until an instant that has passed; gives how long that took by its own time."""
    begun = ctx.now()
    await asyncio.sleep(delay_ms / 1000)
    await ctx.sleep_until(0.001)
    return (ctx.now() - begun) // datetime.timedelta(milliseconds=1)


@desk.handler
async def resolve(ctx: Context, message: Message) -> None:
    """Resolves an awakeable."""
    ctx.resolve_awakeable(message.id, message.value)


@desk.handler
async def reject(ctx: Context, message: Message) -> None:
    """Rejects an awakeable."""
    ctx.reject_awakeable(message.id, TerminalFailure(message.value, code=422, metadata={"by": "desk"}))


@desk.handler
async def signals(ctx: Context, count: int) -> list[str]:
    """The next `count` values of the signal `go`."""
    return await ctx.all([ctx.signal("go", str) for _ in range(count)])


@desk.handler
async def send_signal(ctx: Context, message: Message) -> None:
    """Sends a value as the signal `go`, and then a failure."""
    ctx.send_signal(message.id, "go", message.value)
    ctx.reject_signal(message.id, "go", TerminalFailure(message.value, code=422))


@desk.handler
async def attach(ctx: Context, id: InvocationId) -> int:
    """The result of another invocation, when it has one."""
    return await ctx.attach(id, int)


@desk.handler
def output(ctx: Context, id: InvocationId) -> Optional[int]:
    """The result of another invocation, if it has one. A plain function, which cannot await."""
    return ctx.output(id, int).wait()


@desk.handler
async def cancel(ctx: Context, id: InvocationId) -> None:
    """Cancels another invocation."""
    ctx.cancel(id)


@desk.handler(name="effect")
async def effect_handler(ctx: Context, until: int) -> int:
    """An effect that fails until an attempt."""
    return await ctx.effect(flaky(until))


@desk.handler
async def failed_effects(ctx: Context) -> list[str]:
    """Effects that fail for good: one with a policy of its own, one with an uncaught error. Gives their messages."""
    policy = RetryPolicy(initial_interval=0.1, factor=1, max_attempts=2)
    messages = []
    try:
        await ctx.effect(flaky(9), retry=policy, timeout=5)
    except TerminalFailure as failure:
        messages.append(failure.message)
    try:
        await ctx.effect(broken())
    except TerminalFailure as failure:
        messages.append(failure.message)
    return messages


@desk.handler
async def effects(ctx: Context, count: int) -> int:
    """Effects at the same time."""
    return sum(await ctx.all([ctx.effect(flaky(1)) for _ in range(count)]))


@desk.handler
async def run(ctx: Context, number: int) -> int:
    """An inline run: doubles its input; 0 fails for good, less than 0 for now. Then sleeps, so that it is replayed."""

    def work() -> int:
        if number == 0:
            raise TerminalFailure("refused", code=402, metadata={"reason": "none wanted"})
        if number < 0:
            raise RetryableError("not yet")
        return 2 * number

    policy = RetryPolicy(initial_interval=1, factor=1, max_attempts=3)
    try:
        return await ctx.run("double", work, retry=policy)
    finally:
        await ctx.sleep(1)


@desk.handler(name="all")
async def all_handler(ctx: Context, amount: int) -> int:
    """Waits for all of three calls, the middle one of which may fail, and gives the sum of their results."""
    amounts = {"all-0": 1, "all-1": amount, "all-2": 3}
    return sum(await ctx.all([ctx.call(shelf.add, amount, key=key) for key, amount in amounts.items()]))


@desk.handler
async def race(ctx: Context) -> str:
    """Waits for an awakeable, but not longer than a minute."""
    answer = ctx.awakeable(str)
    logger.info("answer with %s", answer.id)
    try:
        return await asyncio.wait_for(answer, 60)
    except asyncio.TimeoutError:
        return "too late"


@desk.handler
async def order(ctx: Context) -> list[int]:
    """Three timers, in the order in which they complete."""
    pending = [(place, ctx.sleep(delay)) for place, delay in enumerate([3, 1, 2])]
    order = []
    while pending:
        place, _ = await ctx.race([timer for _, timer in pending])
        order.append(pending.pop(place)[0])
    return order


@desk.handler
async def concurrent(ctx: Context, key: str) -> list[int]:
    """Two branches that go on beside each other, in the language's own way: each sleeps, then calls."""

    async def branch(delay: int, name: str) -> int:
        await asyncio.sleep(delay)
        return await ctx.call(shelf.add, delay, key=f"{key}-{name}")

    return list(await asyncio.gather(branch(1, "first"), branch(3, "second")))


@desk.handler
async def compensate(ctx: Context, key: str) -> str:
    """Takes five from a shelf, and gives them back when it is cancelled."""
    await ctx.call(shelf.add, -5, key=key)
    answer = ctx.awakeable(str)
    logger.info("answer with %s", answer.id)
    try:
        return await answer
    except TerminalFailure:
        await ctx.call(shelf.add, 5, key=key)
        await asyncio.sleep(1)
        raise


@desk.handler
async def fail(ctx: Context, wanted: Wanted) -> None:
    """Fails for good, as wanted."""
    raise TerminalFailure(wanted.message, code=wanted.code, metadata={"a": "1", "ä": "✓"})


@desk.handler
async def crash(ctx: Context, message: str) -> None:
    """Sleeps, and then ends with an uncaught error."""
    await ctx.sleep(1)
    raise ValueError(message)


@desk.handler
async def retry_later(ctx: Context) -> None:
    """Asks for another attempt, in an hour."""
    raise RetryableError("come back later", after=3600)


@desk.handler(
    retry=RetryPolicy(initial_interval=1, factor=1, max_interval=1, max_attempts=3, on_exhausted="fail")
)
def give_up(ctx: Context) -> None:
    """Ends with an uncaught error, three times at most."""
    raise ValueError("this never works")


@desk.handler
async def chance(ctx: Context) -> Chance:
    """Time and chance before and after a wait, recorded by an effect, so that a replay that draws others is a mismatch."""
    first = draw(ctx)
    agrees = clocks_agree(ctx)
    await ctx.effect(echo_effect(" ".join(first)))
    await ctx.sleep(1)
    second = draw(ctx)
    agrees = agrees and clocks_agree(ctx)
    await ctx.effect(echo_effect(" ".join(second)))
    await ctx.sleep(1)
    return Chance(agrees, first, second)


def draw(ctx: Context) -> list[str]:
    """Time, a UUID, random bytes of the context; a random number and a UUID of the language."""
    now = ctx.now() - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return [
        str(now // datetime.timedelta(milliseconds=1)),
        str(ctx.uuid()),
        ctx.random_bytes(8).hex(),
        str(random.random()),
        str(uuid.uuid4()),
    ]


def clocks_agree(ctx: Context) -> bool:
    """Whether the language's clocks show the invocation's time."""
    now = ctx.now()
    return time.time_ns() // 1_000_000 == round(now.timestamp() * 1000) and datetime.datetime.now(now.tzinfo) == now


@desk.handler
async def logs(ctx: Context) -> None:
    """Lines on each level before a wait, and one after it."""
    logger.debug("portable debug")
    logger.info("portable info")
    logger.warning("portable warn")
    logger.error("portable error")
    print("portable print")
    await ctx.sleep(1)
    logger.info("portable after", extra={"ключ": "значение"})
