"""The runtime: a tracker that also calls the agent's code.

What lives here: agents by name, one supervised execution after another, and how code on the loop or in a thread is
called, stopped and given up. What must not: any state of a run. The law of this file: code is called once for each
grant, after the grant is durable, and whatever it does, its execution is reported settled or is given up.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import attrs

from lifecycle.errors import Invalid, LifecycleError, NotFound
from lifecycle.kernel.engine import KERNEL, Kernel
from lifecycle.kernel.inputs import Begin, ExecutionSettled, Failure
from lifecycle.kernel.values import Policy, RunSpec, us
from lifecycle.runtime.border import (
    LOCAL,
    check_callable,
    check_names,
    check_names_if_any,
    check_not_empty,
    check_session_id,
    fitted,
    in_words,
)
from lifecycle.runtime.clock import Clock
from lifecycle.runtime.controllers import RunAborted
from lifecycle.runtime.draining import ShutdownReport
from lifecycle.runtime.grant import Grant, ThreadGrant
from lifecycle.runtime.handle import RunHandle
from lifecycle.runtime.line import PASSED_OVER_MAX, Line
from lifecycle.runtime.questions import Park
from lifecycle.runtime.segments import Limits
from lifecycle.runtime.tracker import Tracker
from lifecycle.runtime.watchdog import Watchdog
from lifecycle.store.port import Store

log = logging.getLogger("lifecycle")

Agent = Callable[..., Any]
"""``async def agent(run)``, ``def agent(run)``, or an object whose ``__call__`` is one of these."""


TURNS_TO_UNWIND = 10
"""How many turns of the event loop cancelled code gets at the very end of a shutdown."""


@attrs.frozen
class Code:
    """An agent that was checked; ``on_loop``: it is a coroutine function, else it is called in a thread."""

    agent: Agent
    on_loop: bool


class Runtime(Tracker):
    """Run agents. ``agents`` maps names to agents, or finds one by its name: what was parked is taken up again by it.

    An agent started under a name not in ``agents`` is remembered under it.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        agents: Mapping[str, Agent] | Callable[[str], Agent] | None = None,
        kernel: Kernel = KERNEL,
    ) -> None:
        super().__init__(store, policy, limits, clock, kernel)
        self._agents: dict[str, Code] = {}
        self._started: dict[tuple[str, str], Code] = {}
        self._names: set[str] = set()
        self._closer: asyncio.Task[Any] | None = None
        self._waiting_for_agent: dict[str, tuple[str, str]] = {}
        self._find: Callable[[str], Agent] = agent_by_name
        if isinstance(agents, Mapping):
            for name, agent in agents.items():
                self._names.add(self.register(agent, name))
        elif agents is not None:
            check_callable(
                "agents", agents, "use a mapping of names to agents, or a function that finds one by its name"
            )
            self._find = agents
        self._tasks: dict[asyncio.Task[Any], Call] = {}
        self._left_behind: set[str] = set()
        self._when_done = self._task_done  # bound once, not for each task
        self._watchdog: Watchdog | None = None

    async def open(self) -> None:
        """Start, and recover what the last process left."""
        self._watchdog = Watchdog(self.limits.loop_stall_seconds)
        await super().open()

    async def close(self, drain_seconds: float = 0.0) -> ShutdownReport:
        """Shut down in order; see Tracker.close."""
        if self._closer is None:
            self._closer = asyncio.current_task()
        report = await super().close(drain_seconds)
        await self._let_go()
        if self._watchdog is not None:
            self._watchdog.stop()
        return report

    async def _let_go(self) -> None:
        """Cancel what still waits in this process, and give it some turns to unwind; nothing it says counts any more."""
        for task in list(self._tasks):
            if task is not self._closer:
                task.cancel("the runtime is shut down")
        for _ in range(TURNS_TO_UNWIND):
            if not any(task is not self._closer for task in self._tasks):
                break
            await asyncio.sleep(0)

    @property
    def is_calling(self) -> bool:
        """Say whether code of an agent is at work, or has outlived its run."""
        return bool(self._tasks)

    def register(self, agent: Agent, name: str | None = None) -> str:
        """Remember an agent under a name (none: ``module:qualified name``); begin what waits for it."""
        if name is not None:
            check_names(self.limits.name_chars_max, agent=name)
            check_not_empty(agent=name)
        known = name_of_agent(agent) if name is None else name
        there = self._agents.get(known)
        if there is not None and there.agent is agent and not self._waiting_for_agent:
            return known  # the usual case
        waiting = sorted(session for session, (_, agent) in self._waiting_for_agent.items() if agent == known)
        if there is not None and there.agent is agent and not waiting:
            return known
        self._agents[known] = checked_agent(agent)
        for session in waiting:
            line = self._lines.get(session)
            if line is not None and line.offer is not None:
                self.offered(line, *line.offer)
        return known

    async def start(
        self,
        agent: Agent,
        input: Any = None,
        *,
        session: str,
        name: str | None = None,
        key: str | None = None,
        owner: str = LOCAL,
        deciders: Iterable[str] = (),
        when_busy: str = "enqueue",
        deadline_seconds: float | None = None,
        queue_deadline_seconds: float | None = None,
        on_crash: str = "interrupt",
        run_id: str | None = None,
    ) -> RunHandle:
        """Admit a run of ``agent`` and call it when it is the run's turn; see Tracker.admit."""
        check_session_id(session, self.limits.name_chars_max)
        check_names_if_any(self.limits.name_chars_max, run_id=run_id)
        known = self.register(agent, name)
        run = self.new_run_id() if run_id is None else run_id
        place, code = (session, run), self._agents[known]
        mine = self._started.setdefault(place, code) is code and self._agents[known] is code
        try:
            handle = await self.admit(
                known,
                input,
                session=session,
                key=key,
                owner=owner,
                deciders=deciders,
                when_busy=when_busy,
                deadline_seconds=deadline_seconds,
                queue_deadline_seconds=queue_deadline_seconds,
                on_crash=on_crash,
                run_id=run,
            )
        except Exception:  # not a cancellation: the run may be admitted all the same, and is called then
            if mine:
                self._started.pop(place, None)
            raise
        finally:
            self._new_ids.discard(run)
        if mine and (handle.id != run or handle.end() is not None or not self.holds(session)):
            self._started.pop(place, None)
        return handle

    def run_over(self, session: str, run: str) -> None:
        """Forget the agent of a run that has ended."""
        self._started.pop((session, run), None)
        if self._waiting_for_agent.get(session, (None,))[0] == run:
            del self._waiting_for_agent[session]

    def run_rests(self, session: str, spec: RunSpec) -> None:
        """Forget the very agent of a run that leaves memory, if its name leads back to it; else that much stays of it."""
        code = self._started.get((session, spec.id))
        if code is not None and self._agents.get(spec.agent) is code and self._leads_back(spec.agent, code.agent):
            del self._started[session, spec.id]

    def _leads_back(self, name: str, agent: Agent) -> bool:
        """Say whether a name means this agent in any process: it was given so from the start, or is where it is found."""
        if name not in self._names:
            with suppress(LifecycleError):
                if agent_by_name(name) is agent:
                    self._names.add(name)
        return name in self._names

    # -- offers and calls ---------------------------------------------------------------------------------------------

    def offered(self, line: Line, run: str, execution: int) -> None:
        """Ask to begin, some turns after the acknowledgement; an offer whose agent is not known waits for it."""
        session = line.session
        if self._closing is not None or session is None or session.head is None or line.id in self._left_behind:
            return
        try:
            self._agent(line.id, session.head.spec)
        except LifecycleError as error:
            self._waiting_for_agent[line.id] = run, session.head.spec.agent
            log.warning("run %s of session %s waits for its agent (%s)", run, line.id, error)
            return
        self._waiting_for_agent.pop(line.id, None)
        asyncio.get_running_loop().call_soon(self._ask_to_begin, line.id, Begin(run, execution))

    def left_behind(self, session: str) -> None:
        """Begin nothing in a session while code of it is still at work here, at most for the closing grace."""
        if self._is_at_work(session):
            self._left_behind.add(session)
            grace = us(self.policy.closing_grace_seconds)
            self.clock.call_at(self.clock.now() + grace, lambda: self._returned(session))

    def _is_at_work(self, session: str) -> bool:
        return any(call.grant.session == session for call in self._tasks.values())

    def _returned(self, session: str) -> None:
        """Take up the offer that waited until code which was left behind had returned, or its time was over."""
        if session not in self._left_behind or self._closed:
            return
        self._left_behind.discard(session)
        line = self._lines.get(session)
        if line is not None and line.offer is not None:
            self.offered(line, *line.offer)

    def _ask_to_begin(self, session: str, given: Begin) -> None:
        if self._closing is None:
            self.post(session, given)

    def _agent(self, session: str, spec: RunSpec) -> Code:
        """Return the very agent a run was started with; for one left by an earlier process, that of its name."""
        agent = self._started.get((session, spec.id)) or self._agents.get(spec.agent)
        if agent is not None:
            return agent
        try:
            found = checked_agent(self._find(spec.agent))
        except LifecycleError:
            raise
        except Exception as error:
            fact = f"cannot be found ({type(error).__name__}: {error})"
            raise NotFound(f"agent {spec.agent}", fact, "pass it as agents={name: agent}") from error
        self._agents[spec.agent] = found
        return found

    def call(self, line: Line, grant: Grant) -> None:
        """Call the code: a coroutine function as a task of the loop, a plain one in a thread of its own."""
        session = line.session
        assert session is not None and session.head is not None
        if self._closed:
            return  # the next process finds the execution lost
        code = self._agent(line.id, session.head.spec)
        name = f"run {grant.id} of session {grant.session}"
        call = self._on_loop if code.on_loop else self._in_thread
        work = call(line, code.agent, grant)
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = made = Call(self, task, grant)
        if code.on_loop:
            grant.signal.add_listener(made)
        task.add_done_callback(self._when_done)
        assert self._watchdog is not None
        self._watchdog.work_began()

    def cancel(self, task: asyncio.Task[Any], grant: Grant, cause: str) -> None:
        """Cancel the code of a run that ended; not the code that said so itself, nor the one that shuts us down."""
        said_so = grant.reported and cause in ("completed", "failed")
        if not task.done() and not said_so and task is not self._closer:
            task.cancel(f"run ended: {cause}")

    async def _first_in_line(self, line: Line, grant: Grant) -> bool:
        """Let what arrived before the call be judged before it, a flood excepted; say whether the run still goes on.

        A process that was stopped between the grant and the call may have lost the session: it looks before it calls.
        """
        granted_at = self.clock.now() + line.ahead if line.session is None else line.session.now
        for _ in range(PASSED_OVER_MAX):
            if not line.busy and line.next() is None:
                break
            await line.change()
        is_late = self.clock.now() + line.ahead - granted_at > us(self.limits.look_seconds)
        if is_late and not grant.signal.aborted and line.grant is grant:
            self.check_lease(line)
        return not grant.signal.aborted

    async def _on_loop(self, line: Line, agent: Agent, grant: Grant) -> ExecutionSettled:
        """Call, and turn whatever comes of it into the fact of a return."""
        try:
            if not await self._first_in_line(line, grant):
                return uncalled(grant)
            result = agent(grant)
            if inspect.isawaitable(result):
                result = await result
        except asyncio.CancelledError:
            why = grant.signal.cause or "its task was cancelled from outside"
            return ExecutionSettled(grant.execution, grant.token, Failure(fitted(f"cancelled: {why}")))
        except RunAborted as aborted:
            return ExecutionSettled(grant.execution, grant.token, Failure(fitted(aborted)))
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            return raised(grant, error)  # an agent that exits has failed; it must not take its host with it
        return returned(grant, result)

    async def _in_thread(self, line: Line, agent: Agent, grant: Grant) -> ExecutionSettled:
        """Call a plain function in a thread of its own, and wait for it."""
        if not await self._first_in_line(line, grant):
            return uncalled(grant)
        loop = asyncio.get_running_loop()
        fact: asyncio.Future[ExecutionSettled] = loop.create_future()
        work = (agent, grant, ThreadGrant(grant, loop), fact)
        threading.Thread(target=in_thread, args=work, name=f"run {grant.id}", daemon=True).start()
        return await fact

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        call = self._tasks.pop(task)
        grant = call.grant
        grant.signal.remove_listener(call)
        if self._watchdog is not None:
            self._watchdog.work_ended()
        if task.cancelled():
            fact = ExecutionSettled(grant.execution, grant.token, Failure("cancelled before it began"))
        elif task.exception() is not None:  # SystemExit, KeyboardInterrupt: the code's, reported like any other
            fact = raised(grant, task.exception())
        else:
            fact = task.result()
        self._settled(grant, fact)
        if grant.session in self._left_behind and not self._is_at_work(grant.session):
            self._returned(grant.session)

    def _settled(self, grant: Grant, fact: ExecutionSettled) -> None:
        if not self.is_closed:
            self.post(grant.session, fact)

    def is_own_code(self, line: Line) -> bool:
        """Say whether the code of that line is what calls now."""
        known = None if self._closer is None else self._tasks.get(self._closer)
        return known is not None and known.grant is line.grant


class Call:
    """One call of an agent's code, and the listener that cancels it; one small object for all that a call needs."""

    __slots__ = ("grant", "runtime", "task")

    def __init__(self, runtime: Runtime, task: asyncio.Task[Any], grant: Grant) -> None:
        self.runtime = runtime
        self.task = task
        self.grant = grant

    def __call__(self, cause: str) -> None:
        """Hear that the run has ended."""
        self.runtime.cancel(self.task, self.grant, cause)


def in_thread(agent: Agent, grant: Grant, thread: ThreadGrant, fact: asyncio.Future[ExecutionSettled]) -> None:
    """Be the thread of a plain function."""
    made: ExecutionSettled
    try:
        made = returned(grant, agent(thread))
    except RunAborted as aborted:
        made = ExecutionSettled(grant.execution, grant.token, Failure(fitted(aborted)))
    except BaseException as error:
        made = raised(grant, error)
    try:
        fact.get_loop().call_soon_threadsafe(lambda: None if fact.done() else fact.set_result(made))
    except RuntimeError:  # the loop is gone: the next process finds the execution lost
        log.warning("run %s of session %s: its code returned after the runtime was gone", grant.id, grant.session)


def uncalled(grant: Grant) -> ExecutionSettled:
    """Make the fact of a call that was not made: the run had ended by then."""
    return ExecutionSettled(grant.execution, grant.token, Failure("its run ended before it was called"))


PLAIN = frozenset({type(None), bool, int, float, str, list, dict, Park})
"""What is no coroutine and no generator at first sight."""


def returned(grant: Grant, result: Any) -> ExecutionSettled:
    """Make the fact of a return; what is no JSON is a failure of the agent."""
    if type(result) not in PLAIN and (
        inspect.isawaitable(result) or inspect.isasyncgen(result) or inspect.isgenerator(result)
    ):
        if inspect.iscoroutine(result):
            result.close()
        text = f"it returned {type(result).__name__}; return a value, and emit frames with run.emit"
        return ExecutionSettled(grant.execution, grant.token, Failure(text))
    try:
        return grant.settled(result)
    except LifecycleError as error:
        return ExecutionSettled(grant.execution, grant.token, Failure(fitted(error)))


def raised(grant: Grant, error: BaseException | None) -> ExecutionSettled:
    """Make the fact of an exception; where it was raised goes to the log at level debug."""
    log.debug("run %s of session %s: its code raised", grant.id, grant.session, exc_info=error)
    return ExecutionSettled(grant.execution, grant.token, Failure(fitted(in_words(error))))


# -- agents -----------------------------------------------------------------------------------------------------------


def is_coroutine_function(agent: Agent) -> bool:
    """Say whether it belongs on the event loop: it, its ``__call__``, or what it wraps is a coroutine function."""
    call = getattr(agent, "__call__", None)  # noqa: B004
    return any(inspect.iscoroutinefunction(one) for one in (agent, call, inspect.unwrap(agent)))


def checked_agent(agent: Any) -> Code:
    """Refuse what cannot be called with one argument, the run."""
    name = fitted(getattr(agent, "__qualname__", None) or type(agent).__name__, 80)
    remedy = "use `async def agent(run)`, `def agent(run)`, or an object with such a __call__"
    if not callable(agent):
        raise Invalid(f"agent {name}", f"{type(agent).__name__} cannot be called", remedy)
    if inspect.isclass(agent):
        raise Invalid(f"agent {name}", "it is a class, not an instance", remedy)
    call = getattr(agent, "__call__", agent)  # noqa: B004
    kinds = (inspect.isasyncgenfunction, inspect.isgeneratorfunction)
    if any(is_kind(one) for is_kind in kinds for one in (agent, call)):
        raise Invalid(f"agent {name}", "it is a generator", "return a value, and emit frames with run.emit")
    try:
        inspect.signature(agent).bind(None)
    except TypeError:
        raise Invalid(f"agent {name}", "it does not take exactly one argument, the run", remedy) from None
    except ValueError:  # a built-in without a signature: calling it will tell
        pass
    return Code(agent, is_coroutine_function(agent))


def name_of_agent(agent: Agent) -> str:
    """Return ``module:qualified name``; where that does not lead back to this very agent, a name that cannot be imported.

    A partial, an object or a closure has arguments that no name tells: after a restart it must be handed over again.
    """
    kind = ""
    while isinstance(agent, functools.partial):
        agent, kind = agent.func, "partial of "
    if not (hasattr(agent, "__qualname__") and hasattr(agent, "__module__")):
        agent, kind = type(agent), f"{kind}object of "
    name = f"{agent.__module__}:{agent.__qualname__}"
    return f"{kind}{name}"


def agent_by_name(name: str) -> Agent:
    """Import the agent of a name as ``name_of_agent`` gives it; raise NotFound if no import leads to it."""
    module, _, path = name.partition(":")
    remedy = "pass it as agents={name: agent}"
    if module == "__main__" or " " in module or "<" in path:
        raise NotFound(f"agent {name}", "no import leads to it", remedy)
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise NotFound(f"agent {name}", f"cannot be imported ({error})", remedy) from None
    return found  # type: ignore[no-any-return]
