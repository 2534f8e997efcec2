"""Group commit: many sessions, one sync; and a disk that is slow slows acknowledgements and nothing else.

What lives here: what goes on while a commit is on its way. What must not: what a failed one does (store faults). The
law of this file: the disk is slow because it is held, so that nothing here is a matter of luck.
"""

from __future__ import annotations

import asyncio

from lifecycle.testing import Actor, turns

from .stage import NO_GRACE, ON_THREAD, Stage, Worker, until


async def test_what_gathers_while_the_disk_is_busy_is_one_group(stage: Stage) -> None:
    """Given a commit that the disk takes its time for, when forty sessions start meanwhile, then all forty are kept by

    the next one, and each is acknowledged.
    """
    await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    agents = [Actor() for _ in range(41)]
    with stage.store.held():
        starts = [asyncio.ensure_future(stage.admit(agents[0], session="s-0"))]
        await until(lambda: stage.store.inner.load("s-0") is not None)
        starts += [asyncio.ensure_future(stage.admit(one, session=f"s-{n}")) for n, one in enumerate(agents[1:], 1)]
        await turns(50)
        before = len(stage.store.attempts)
        assert [] == [start for start in starts if start.done()]
    handles = await asyncio.gather(*starts)
    assert 41 == len({handle.id for handle in handles})
    await until(lambda: all(agent.called for agent in agents))
    assert (1, [1, 40]) == (before, [group.count("StartRun") for group in stage.store.attempts[:2]])
    for agent in agents:
        agent.returns()
    await stage.settle()


async def test_slow_disk_slows_no_frame_and_no_reader(stage: Stage) -> None:
    """Given a commit of one session that the disk takes its time for, then meanwhile frames of the others arrive, whoever

    looks is answered, and what is called in a thread goes on; only what has to be kept waits.
    """
    runtime = await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    talker, worker = Actor(), Worker("done")
    talks = await stage.start(talker, session="talks")
    works = await runtime.start(worker, session="works", name=stage.name_of(worker))
    await until(worker.began.is_set)
    with stage.store.held():
        slow = asyncio.ensure_future(stage.admit(Actor(), session="slow"))
        await turns(20)
        talker.emit("one")
        talker.emit("two")
        frames = talks.frames(after=0)
        assert ["one", "two"] == [(await anext(frames)).data for _ in range(2)]
        await frames.aclose()
        assert ("running", "running") == (runtime.show("talks").state, works.state)
        worker.go.set()
        await turns(50)
        assert (False, "running") == (slow.done(), works.state)
    await slow
    assert ("ready", "done") == ((await works.wait()).state, (await works.wait()).result)
    talker.returns()
    await stage.runtime.abort_session("slow")
    await stage.settle()
