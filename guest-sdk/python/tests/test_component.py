"""What the component exports: the manifest, handlers and effects by name, and what becomes of exceptions."""

import asyncio
import dataclasses
import json
import logging
import unittest
from typing import Optional

from fake import Err, Ok, Suspended, definition, host, http, requests, types

import relight
from relight import (
    Context,
    ObjectContext,
    RetryableError,
    RetryPolicy,
    SharedObjectContext,
    SharedWorkflowContext,
    TerminalFailure,
    WorkflowContext,
    component,
    effect,
    effect_attempt,
    effect_idempotency_key,
    http as client,
)

service = relight.Service("Desk", documentation="A desk.", public=False)
shelf = relight.Object("Shelf", retry=RetryPolicy(max_attempts=3))
errand = relight.Workflow("Errand")


@dataclasses.dataclass
class Order:
    item: str
    count: int = 1


@effect(timeout=30, retry=RetryPolicy(initial_interval=0.2, max_attempts=5, on_exhausted="pause"))
def charge(order: Order, cents: int, card: Optional[str] = None) -> str:
    """Charges a card."""
    answer = client.post("http://pay/charge", json=order, headers={"idempotency-key": effect_idempotency_key()})
    return f"{answer.raise_for_status().json()['id']}-{effect_attempt()}-{cents}-{card}"


@effect
async def sleepy() -> None:
    await asyncio.sleep(1)


@service.handler
async def echo(ctx: Context, order: Order) -> Order:
    """Gives it back."""
    return order


@service.handler(name="optional", public=True, abort_timeout=60)
def maybe(ctx: Context, text: Optional[str]) -> None:
    pass


@service.handler
async def fails(ctx: Context, how: str) -> None:
    if how == "terminal":
        raise TerminalFailure("no", code=418, metadata={"a": "b"})
    if how == "later":
        raise RetryableError("come back", after=60)
    if how == "group":
        async with asyncio.TaskGroup() as group:
            group.create_task(fails.function(ctx, "terminal"))
    if how == "mixed":
        async with asyncio.TaskGroup() as group:
            group.create_task(fails.function(ctx, "terminal"))
            group.create_task(fails.function(ctx, "other"))
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("it is not füll") from error


@service.handler
async def ran(ctx: Context, number: int) -> Order:
    def work() -> Order:
        if number == 0:
            raise TerminalFailure("refused", code=402)
        if number < 0:
            raise RetryableError("not yet", after=2)
        return Order("x", number)

    return await ctx.run("work", work)


@service.handler
async def charges(ctx: Context) -> str:
    return await ctx.effect(charge(Order("chair"), 100, card="visa"), timeout=5)


@shelf.handler
async def add(ctx: ObjectContext, amount: int) -> int:
    count = ctx.get("count", int, 0) + amount
    ctx.set("count", count)
    return count


@shelf.handler(shared=True)
async def names(ctx: SharedObjectContext) -> list[str]:
    return ctx.keys()


@errand.main
async def run(ctx: WorkflowContext) -> None:
    ctx.clear_all()


@errand.handler
async def tell(ctx: SharedWorkflowContext, what: str) -> None:
    await ctx.resolve_promise("gate", what)


relight.export(service, shelf, errand)


class ComponentTest(unittest.TestCase):
    def setUp(self):
        host.reset()
        self.addCleanup(self.leave)
        self.component = component.Component()
        self.close, component._absent.close = component._absent.close, lambda: None

    def leave(self):
        component._absent.close = self.close
        component._state.phase = component._state.Phase.BUILD

    def invoke(self, target, body=b"", key=None):
        service, handler = target.split("/")
        return self.component.invoke(requests.Request(service, key, handler, [("x-tenant", "t")], body))

    def error(self, *arguments, **named):
        with self.assertRaises(Err) as raised:
            self.invoke(*arguments, **named)
        return raised.exception.value

    def dropped(self, *arguments):
        # The real host ends the instance; the one of these tests can only raise.
        self.assertIn(Suspended.__name__, self.error(*arguments).value[0])

    def test_the_manifest_says_everything(self):
        manifest = self.component.describe()
        self.assertEqual(manifest.sdk, "relight-python/0.1.0")
        desk, shelf, errand = manifest.services
        self.assertEqual(
            [(found.name, found.kind.name) for found in manifest.services],
            [("Desk", "SERVICE"), ("Shelf", "VIRTUAL_OBJECT"), ("Errand", "WORKFLOW")],
        )
        self.assertEqual((desk.documentation, desk.options.public), ("A desk.", False))
        self.assertEqual(shelf.options.retry.max_attempts, 3)
        self.assertEqual(
            [(handler.name, handler.mode.name) for found in (shelf, errand) for handler in found.handlers],
            [("add", "EXCLUSIVE"), ("names", "SHARED"), ("run", "WORKFLOW"), ("tell", "SHARED")],
        )
        echo, optional = desk.handlers[:2]
        self.assertEqual((echo.name, echo.documentation), ("echo", "Gives it back."))
        self.assertEqual((echo.input.required, echo.input.content_type), (True, "application/json"))
        self.assertEqual(json.loads(echo.input.json_schema)["$ref"], "#/$defs/Order")
        self.assertEqual((optional.name, optional.options.public, optional.options.abort_timeout), ("optional", True, 60_000))
        self.assertFalse(optional.input.required)
        self.assertEqual(errand.handlers[0].input, definition.PayloadDef(False, None, None))

    def test_the_manifest_lists_effects_with_their_policies(self):
        charge = self.component.describe().effects[0]
        self.assertEqual((charge.name, charge.documentation, charge.timeout), ("charge", "Charges a card.", 30_000))
        self.assertEqual(
            (charge.retry.initial_interval, charge.retry.max_attempts, charge.retry.on_exhausted.name), (200, 5, "PAUSE")
        )

    def test_handlers_are_found_and_called(self):
        self.assertEqual(self.invoke("Desk/echo", b'{"item":"chair"}'), b'{"item":"chair","count":1}')
        self.assertEqual(self.invoke("Desk/optional"), b"null")
        self.assertEqual(self.invoke("Shelf/add", b"3", key="k"), b"3")
        self.assertEqual(self.invoke("Shelf/add", b"4", key="k"), b"7")
        self.assertEqual(self.invoke("Shelf/names", key="k"), b'["count"]')

    def test_what_cannot_be_read_is_the_callers_mistake(self):
        failure = self.error("Desk/echo", b'{"item":1}').value
        self.assertEqual((failure.code, failure.message), (400, "cannot read the input: `1` is not a text at `item`"))
        self.assertEqual(self.error("Desk/unknown").value.code, 404)

    def test_terminal_failures_are_results(self):
        failure = self.error("Desk/fails", b'"terminal"').value
        self.assertEqual((failure.code, failure.message, failure.metadata), (418, "no", [("a", "b")]))
        self.assertEqual(self.error("Desk/fails", b'"group"').value.code, 418)

    def test_other_exceptions_are_retryable_and_keep_their_traceback(self):
        reason = self.error("Desk/fails", b'"other"')
        self.assertIsInstance(reason, requests.AttemptError_Retryable)
        message, after = reason.value
        self.assertIsNone(after)
        self.assertTrue(message.startswith("ValueError: it is not füll\n"), message)
        self.assertIn("in fails", message)
        self.assertIn('raise ValueError("it is not füll") from error', message)
        self.assertIn("caused by:\nKeyError: 'missing'", message)
        self.assertNotIn("_loop.py", message)
        mixed, _ = self.error("Desk/fails", b'"mixed"').value
        self.assertTrue(mixed.startswith("ExceptionGroup: "), mixed)
        self.assertIn("ValueError: it is not füll", mixed)

    def test_a_retry_at_a_given_time(self):
        self.assertEqual(self.error("Desk/fails", b'"later"').value, ("come back", 60_000))

    def test_a_run_is_recorded_once_and_read_as_its_type(self):
        self.dropped("Desk/ran", b"5")
        self.assertEqual(host.finished, Ok(b'{"item":"x","count":5}'))
        host.runs["work"] = host.finished
        self.assertEqual(self.invoke("Desk/ran", b"5"), b'{"item":"x","count":5}')

    def test_a_run_fails_for_good_or_for_now(self):
        self.dropped("Desk/ran", b"0")
        self.assertEqual(host.finished.value.code, 402)
        self.dropped("Desk/ran", b"-1")
        self.assertEqual(host.finished, ("not yet", 2000))
        host.runs["work"] = Err(types.Failure(402, "refused", []))
        self.assertEqual(self.error("Desk/ran", b"0").value.code, 402)

    def test_an_effect_is_started_with_its_arguments_and_runs_with_them(self):
        host.answers['effect:charge'] = b'"pay_1"'
        self.assertEqual(self.invoke("Desk/charges"), b'"pay_1"')
        kind, name, data, options = host.operations[0]
        self.assertEqual((kind, name, data), ("effect", "charge", b'[{"item":"chair","count":1},100,"visa"]'))
        self.assertEqual((options.timeout, options.retry), (5000, None))
        host.responses.append(http.Response(200, [("Content-Type", "application/json")], b'{"id":"pay_1"}'))
        result = self.component.effect(requests.EffectRequest("charge", data, 2, "key-1"))
        self.assertEqual(result, b'"pay_1-2-100-visa"')
        request = host.requests[0]
        self.assertEqual((request.method, request.url, request.body), ("POST", "http://pay/charge", b'{"item":"chair","count":1}'))
        self.assertEqual(request.headers, [("idempotency-key", "key-1"), ("content-type", "application/json")])

    def test_errors_of_requests_are_retryable(self):
        data = b'[{"item":"chair","count":1},100,null]'
        cases = [
            (Err(http.Error_Timeout()), "relight.http.Timeout: the request timed out"),
            (Err(http.Error_Denied("no")), "relight.http.Denied: the request is not allowed: no"),
            (http.Response(503, [], b"busy"), "relight.http.StatusError: the answer has status 503: busy"),
        ]
        for response, message in cases:
            host.responses.append(response)
            with self.subTest(message), self.assertRaises(Err) as raised:
                self.component.effect(requests.EffectRequest("charge", data, 1, "key"))
            self.assertEqual(raised.exception.value.value[0].splitlines()[0], message)

    def test_an_effect_that_sleeps_says_what_to_do(self):
        with self.assertRaises(Err) as raised:
            self.component.effect(requests.EffectRequest("sleepy", b"null", 1, "key"))
        self.assertIn("an effect cannot sleep", raised.exception.value.value[0])
        self.assertEqual(host.operations, [])

    def test_lines_reach_the_log_with_level_and_fields(self):
        component._stdio.install()
        component._state.phase = component._state.Phase.HANDLER
        logger = logging.getLogger("shop")
        for level in (5, 10, 20, 30, 40, 50):
            logger.log(level, "line %s", level)
        logging.getLogger("shop").setLevel(1)
        logger.log(5, "finest", extra={"ключ": "значение", "n": 1})
        print("printed", 1)
        print("un", end="")
        print("finished", end="")
        component._stdio.flush()
        self.assertEqual([level for level, _, _ in host.lines[:5]], ["DEBUG", "INFO", "WARN", "ERROR", "ERROR"])
        self.assertEqual(host.lines[5], ("TRACE", "finest", {"logger": "shop", "ключ": "значение", "n": "1"}))
        self.assertEqual(host.lines[6:], [("INFO", "printed 1", {}), ("INFO", "unfinished", {})])

    def test_mistakes_are_found_when_the_module_is_loaded(self):
        other = relight.Service("Other")
        with self.assertRaisesRegex(TypeError, "a context and at most one input"):
            other.handler(lambda ctx, a, b: None)
        with self.assertRaisesRegex(ValueError, "has no handlers"):
            relight.export(relight.Service("Empty"))
        with self.assertRaisesRegex(ValueError, "exported twice"):
            relight.export(service)
        with self.assertRaisesRegex(ValueError, "defined twice"):
            shelf.handler(name="add")(lambda ctx: None)
        with self.assertRaisesRegex(ValueError, "defined twice"):
            effect(name="charge")(lambda: None)

        @other.handler
        def complex_input(ctx: Context, number: complex) -> None:
            pass

        with self.assertRaisesRegex(TypeError, "`Other/complex_input`: the type `complex` has no JSON form"):
            relight.export(other)
        component._services.pop("Other", None)


if __name__ == "__main__":
    unittest.main()
