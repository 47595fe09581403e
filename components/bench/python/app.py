"""The handlers that the benchmarks call, as in `../src/lib.rs`: each does the least that its workload
needs."""

import dataclasses
import time
from typing import Any, Optional

import relight
from relight import Context, Object, ObjectContext, Service, SharedObjectContext


@dataclasses.dataclass
class Count:
    """How much of something."""

    n: int


@dataclasses.dataclass
class Sleep:
    """How long."""

    ms: int


greeter = Service("Greeter", documentation="`greet`: no state, no operations.")
counter = Object("Counter", documentation="`counter`: one read, one write.")
rpc = Service("Rpc", documentation="`rpc`: one call.")
chain = Service("Chain", documentation="`rpc-chain`: calls in a row, each waiting for the next.")
fanout = Service("Fanout", documentation="`fanout`: many calls at once.")
steps = Service("Steps", documentation="`steps`: inline runs in a row, each doing nothing but counting.")
sleeper = Service("Sleeper", documentation="`sleep-many`: timers that many invocations wait for.")
awk = Object("Awk", documentation="`awakeable`: an answer from outside.")
replay = Object(
    "Replay", documentation="`replay`: a journal of a given length that is read again when the answer comes."
)


@greeter.handler
async def greet(ctx: Context, input: Any) -> Any:
    """Gives its input back."""
    return input


@counter.handler
async def add(ctx: ObjectContext, amount: int) -> int:
    """Add, and give the new value."""
    value = ctx.get("value", int, 0) + amount
    ctx.set("value", value)
    return value


@counter.handler(shared=True)
async def get(ctx: SharedObjectContext) -> int:
    """The value."""
    return ctx.get("value", int, 0)


@rpc.handler
async def call(ctx: Context, input: Any) -> Any:
    """Calls the greeter."""
    return await ctx.call(greet, input)


@chain.handler
async def hop(ctx: Context, count: Count) -> int:
    """Calls itself down to 0, and gives how often."""
    return 0 if count.n == 0 else 1 + await ctx.call(hop, Count(count.n - 1))


@fanout.handler
async def fan(ctx: Context, count: Count) -> int:
    """Calls the greeter `n` times in parallel, and gives how many answers came."""
    return len(await ctx.all([ctx.call(greet, index) for index in range(count.n)]))


@steps.handler(name="steps")
async def steps_handler(ctx: Context, count: Count) -> int:
    """`n` inline runs; gives the sum of the numbers below `n`."""
    return await runs(ctx, count.n)


async def runs(ctx: Context, count: int) -> int:
    """Each run gives its number; gives their sum."""
    total = 0
    for number in range(count):
        total += await ctx.run("step", lambda: number)
    return total


@sleeper.handler
async def sleep(ctx: Context, delay: Sleep) -> int:
    """Sleeps, and gives the wall clock afterwards, for the lateness of the timer."""
    await ctx.sleep(delay.ms / 1000)
    return await ctx.run("wall clock", lambda: time.time_ns() // 1_000_000)


@awk.handler
async def wait(ctx: ObjectContext) -> Any:
    """Waits for an awakeable, and gives its value."""
    value = ctx.awakeable(Any)
    ctx.set("id", value.id)
    try:
        return await value
    finally:
        ctx.clear("id")


@awk.handler(name="id", shared=True)
async def awk_id(ctx: SharedObjectContext) -> Optional[str]:
    """The id to resolve; none while nobody waits."""
    return ctx.get("id", str)


@replay.handler
async def start(ctx: ObjectContext, count: Count) -> int:
    """Makes an awakeable, makes `n` steps, waits for the awakeable, and gives the sum of the steps."""
    value = ctx.awakeable(Any)
    total = await runs(ctx, count.n)
    # Who sees the id knows that the steps are made.
    ctx.set("id", value.id)
    try:
        await value
    finally:
        ctx.clear("id")
    return total


@replay.handler(name="id", shared=True)
async def replay_id(ctx: SharedObjectContext) -> Optional[str]:
    """The id to resolve; none while the steps are being made."""
    return ctx.get("id", str)


relight.export(greeter, counter, rpc, chain, fanout, steps, sleeper, awk, replay)
