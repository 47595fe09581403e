"""The event loop: order, timers, groups, cancellation, what asyncio offers on top of it."""

import asyncio
import unittest

from fake import Err, Suspended, host, types

from relight import Cancelled, Context, Object, ObjectContext, Service, TerminalFailure
from relight._loop import Loop

thing = Object("Thing")


@thing.handler
async def act(ctx: ObjectContext, amount: int) -> int:
    return amount


class LoopTest(unittest.TestCase):
    def setUp(self):
        host.reset()

    def run_handler(self, handler):
        loop = Loop(waits=True)
        return loop.run(handler(Context(loop, [])))

    def kinds(self):
        return [operation[0] for operation in host.operations]

    def test_a_single_operation_is_waited_for_by_itself(self):
        host.answers["call:Thing/act"] = b"7"

        async def handler(ctx):
            return await ctx.call(act, 3, key="k")

        self.assertEqual(self.run_handler(handler), 7)
        self.assertEqual(host.operations, [("call", "Thing/act", "k", b"3", None)])
        self.assertEqual(host.waits, [("wait", 1)])

    def test_operations_start_when_they_are_asked_for(self):
        async def handler(ctx):
            ctx.sleep(1)
            ctx.signal("go")
            return len(host.operations)

        self.assertEqual(self.run_handler(handler), 2)
        self.assertEqual(host.waits, [])

    def test_gather_runs_branches_beside_each_other(self):
        async def branch(ctx, delay):
            await asyncio.sleep(delay)
            return await ctx.sleep(delay) or delay

        async def handler(ctx):
            return await asyncio.gather(branch(ctx, 1), branch(ctx, 3))

        begun = host.clock
        self.assertEqual(self.run_handler(handler), [1, 3])
        self.assertEqual([operation[2] for operation in host.operations], [1000, 3000, 1000, 3000])
        self.assertEqual(host.clock - begun, 6000)

    def test_all_is_one_wait_and_raises_the_first_failure_in_order(self):
        async def handler(ctx):
            signals = [ctx.signal(name, int) for name in ("a", "b", "c")]
            for handle, value in ((3, b"3"), (2, Err(types.Failure(422, "no", [("why", "so")]))), (1, b"1")):
                host.complete(handle, value)
            await ctx.all(signals)

        with self.assertRaises(TerminalFailure) as raised:
            self.run_handler(handler)
        self.assertEqual((raised.exception.code, raised.exception.metadata), (422, {"why": "so"}))
        self.assertEqual(host.waits[0], ("wait_all", 1, 2, 3))

    def test_all_beside_something_else_is_not_one_wait(self):
        async def handler(ctx):
            signals = [ctx.signal("a", int), ctx.signal("b", int)]
            host.complete(1, b"1")
            host.complete(2, b"2")
            return await asyncio.wait_for(ctx.all(signals), 60)

        self.assertEqual(self.run_handler(handler), [1, 2])
        self.assertEqual(host.waits[0], ("wait_any", 1, 2, 3))

    def test_race_is_won_by_what_completed_first(self):
        async def handler(ctx):
            pending = [(place, ctx.sleep(delay)) for place, delay in enumerate((3, 1, 2))]
            order = []
            while pending:
                place, _ = await ctx.race([timer for _, timer in pending])
                order.append(pending.pop(place)[0])
            return order

        self.assertEqual(self.run_handler(handler), [1, 2, 0])

    def test_any_is_won_by_what_succeeded_first(self):
        async def handler(ctx):
            signals = [ctx.signal("a", int), ctx.signal("b", int)]
            host.complete(1, Err(types.Failure(500, "first", [])))
            host.complete(2, b"2")
            return await ctx.any(signals)

        self.assertEqual(self.run_handler(handler), (1, 2))

    def test_any_raises_the_first_failure_when_all_fail(self):
        async def handler(ctx):
            signals = [ctx.signal("a", int), ctx.signal("b", int)]
            host.complete(2, Err(types.Failure(500, "b fails", [])))
            host.complete(1, Err(types.Failure(500, "a fails", [])))
            await ctx.any(signals)

        with self.assertRaisesRegex(TerminalFailure, "a fails"):
            self.run_handler(handler)

    def test_wait_for_gives_up_and_the_operation_goes_on(self):
        async def handler(ctx):
            answer = ctx.awakeable(str)
            try:
                await asyncio.wait_for(answer, 60)
            except asyncio.TimeoutError:
                host.complete(1, b'"late"')
                return await answer

        self.assertEqual(self.run_handler(handler), "late")
        self.assertEqual(self.kinds(), ["awakeable", "timer"])

    def test_a_timer_that_is_not_needed_is_not_waited_for(self):
        async def handler(ctx):
            answer = ctx.awakeable(str)
            host.complete(1, b'"soon"')
            answered = await asyncio.wait_for(answer, 60)
            await ctx.sleep(1)
            return answered

        self.assertEqual(self.run_handler(handler), "soon")
        self.assertEqual(host.waits[-1], ("wait", 3))

    def test_task_groups_work(self):
        async def handler(ctx):
            async with asyncio.TaskGroup() as group:
                first = group.create_task(asyncio.sleep(1, "a"))
                second = group.create_task(asyncio.sleep(2, "b"))
            return first.result() + second.result()

        self.assertEqual(self.run_handler(handler), "ab")

    def test_wait_takes_operations_as_they_are(self):
        async def handler(ctx):
            slow, fast = ctx.sleep(9), ctx.sleep(1)
            done, pending = await asyncio.wait([slow, fast], return_when=asyncio.FIRST_COMPLETED)
            return done == {fast} and pending == {slow}

        self.assertTrue(self.run_handler(handler))

    def test_locks_queues_and_events_work(self):
        async def handler(ctx):
            queue = asyncio.Queue()

            async def produce():
                for number in range(3):
                    await asyncio.sleep(1)
                    await queue.put(number)

            task = asyncio.create_task(produce())
            found = [await queue.get() for _ in range(3)]
            await task
            return found

        self.assertEqual(self.run_handler(handler), [0, 1, 2])

    def test_the_same_answers_make_the_same_operations(self):
        async def branch(ctx, name, delay):
            await asyncio.sleep(delay)
            first = await ctx.signal(name, int)
            await asyncio.sleep(first)
            return first

        async def handler(ctx):
            tasks = [asyncio.create_task(branch(ctx, f"n{place}", place % 3)) for place in range(6)]
            return await asyncio.gather(*tasks)

        seen = []
        for _ in range(2):
            host.reset()
            for place in range(6):
                host.answers[f"signal:n{place}"] = str(7 - place).encode()
            self.assertEqual(self.run_handler(handler), [7, 6, 5, 4, 3, 2])
            seen.append((host.operations, host.waits))
        self.assertEqual(seen[0], seen[1])

    def test_cancellation_reaches_everything_that_is_awaited_once(self):
        host.cancel_at_wait = 1

        async def handler(ctx):
            answer, other = ctx.awakeable(str), ctx.awakeable(str)
            results = await asyncio.gather(answer, asyncio.sleep(9), return_exceptions=True)
            host.complete(1, b'"after all"')
            host.complete(2, b'"untouched"')
            return [type(result) for result in results], await answer, await other

        self.assertEqual(self.run_handler(handler), ([Cancelled, Cancelled], "after all", "untouched"))

    def test_cancellation_ends_a_group_and_can_be_compensated(self):
        host.cancel_at_wait = 1

        async def handler(ctx):
            signals = [ctx.signal("a"), ctx.signal("b")]
            try:
                await ctx.all(signals)
            except Cancelled as failure:
                await ctx.sleep(1)
                return failure.code
            return None

        self.assertEqual(self.run_handler(handler), 409)

    def test_cancellation_is_a_terminal_failure(self):
        host.cancel_at_wait = 1

        async def handler(ctx):
            try:
                await ctx.sleep(1)
            except TerminalFailure as failure:
                return failure.message
            return None

        self.assertEqual(self.run_handler(handler), "cancelled")

    def test_a_cancellation_that_nobody_awaits_ends_the_handler(self):
        host.cancel_at_wait = 1

        async def handler(ctx):
            never = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(9, never.set_result, None)
            await never

        with self.assertRaises(Cancelled):
            self.run_handler(handler)

    def test_a_wait_that_suspends_runs_nothing_of_the_handler_any_more(self):
        unwound = []

        async def handler(ctx):
            await asyncio.gather(ctx.awakeable(str), ctx.awakeable(str))
            unwound.append("went on")

        with self.assertRaises(Suspended):
            self.run_handler(handler)
        self.assertEqual((host.waits, unwound), ([("wait_any", 1, 2)], []))

    def test_waiting_for_nothing_says_so(self):
        async def handler(ctx):
            await asyncio.Event().wait()

        with self.assertRaisesRegex(RuntimeError, "for ever"):
            self.run_handler(handler)

    def test_what_is_left_unfinished_is_dropped(self):
        async def handler(ctx):
            asyncio.create_task(asyncio.sleep(9))
            await asyncio.sleep(0)
            return "done"

        self.assertEqual(self.run_handler(handler), "done")
        self.assertEqual(host.waits, [])

    def test_a_plain_function_waits_by_itself(self):
        host.answers["call:Thing/act"] = b"7"
        context = Context(Loop(waits=True), [])
        self.assertEqual(context.call(act, 3, key="k").wait(), 7)
        with self.assertRaises(TypeError):
            context.call(act, key="k")
        with self.assertRaises(TypeError):
            context.call(act, 3)

    def test_waiting_inside_the_loop_says_so(self):
        async def handler(ctx):
            ctx.sleep(1).wait()

        with self.assertRaisesRegex(RuntimeError, "await the operation"):
            self.run_handler(handler)

    def test_a_thousand_operations_complete_in_one_pass_each(self):
        service = Service("Many")

        @service.handler
        async def one(ctx: Context, number: int) -> int:
            return number

        async def handler(ctx):
            calls = [ctx.call(one, number) for number in range(1000)]
            for number in range(1000):
                host.complete(1000 - number, str(999 - number).encode())
            return await asyncio.gather(*calls)

        self.assertEqual(self.run_handler(handler), list(range(1000)))


if __name__ == "__main__":
    unittest.main()
