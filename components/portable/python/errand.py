"""The workflow: one run per key, and handlers beside it."""

from typing import Optional

from relight import SharedWorkflowContext, TerminalFailure, Workflow, WorkflowContext

import desk
import shelf

errand = Workflow("Errand", documentation="Waits at its gate.")


@errand.main
async def run(ctx: WorkflowContext, input: str) -> str:
    """Waits until somebody says something at the gate, counts on the shelf of its key, and gives what was said there."""
    ctx.set("stage", "waiting")
    said = await ctx.promise("gate", str)
    count = await ctx.call(shelf.add, 1, key=ctx.key)
    whole = await ctx.call(desk.echo, f"{input} {said} {count}")
    ctx.set("stage", "done")
    return whole


@errand.handler
async def open(ctx: SharedWorkflowContext, said: str) -> None:
    """Says something at the gate; a failure 409 the second time."""
    await ctx.resolve_promise("gate", said)


@errand.handler
async def refuse(ctx: SharedWorkflowContext, reason: str) -> None:
    """Closes the gate for good."""
    await ctx.reject_promise("gate", TerminalFailure(reason, code=422))


@errand.handler
async def peek(ctx: SharedWorkflowContext) -> Optional[str]:
    """What was said at the gate, if something was."""
    return await ctx.peek_promise("gate", str)


@errand.handler
async def listen(ctx: SharedWorkflowContext) -> str:
    """Waits at the gate beside the run."""
    return await ctx.promise("gate", str)


@errand.handler
async def stage(ctx: SharedWorkflowContext) -> Optional[str]:
    """What the run has written."""
    return ctx.get("stage", str)
