"""The contract of a store, for every implementation.

What lives here: what the port promises, as tests of a class to inherit from. What must not: files, SQL. The law of this
file: it knows a store by its port only, and what it keeps comes out of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from lifecycle.errors import StoreError
from lifecycle.kernel import Policy, Step, step
from lifecycle.kernel import inputs as i
from lifecycle.kernel.lease import NOBODY, Lease
from lifecycle.kernel.values import Floor, Found, us
from lifecycle.store import Commit, Compacted, Kept, Store
from lifecycle.store.port import Due, Resting, is_below_floor, is_elsewhere, is_lost
from lifecycle.store.replaying import replay_kept

from .lives import BEGINNING, POLICY, Life, approved, entry_of, later, parked, stopped, under


def keep(store: Store, *lives: Life) -> None:
    """Keep every step of some lives, each in a commit of its own."""
    for life in lives:
        for commit in life.commits:
            assert [None] == list(store.commit([commit]))


def everything(store: Store, name: str) -> object:
    """Return all that a store says of a session."""
    return store.load(name), list(store.journal(name)), list(store.ended(name)), store.latest(), list(store.unsettled())


class StoreContract:
    """Inherit from this, say how to make a store, and every promise of the port is tested."""

    def make(self, folder: Path) -> Store:
        """Make an empty store; ``folder`` is there for whoever needs one."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """An empty store, closed in the end."""
        store = self.make(tmp_path)
        yield store
        store.close()

    # -- round trips --------------------------------------------------------------------------------------------------

    def test_load_returns_what_was_committed(self, store: Store) -> None:
        """A session comes back equal after every step, whatever the step changed."""
        for life in (approved("a"), parked("b"), stopped("c")):
            for commit in life.commits:
                store.commit([commit])
                kept = store.load(life.name)
                assert kept is not None
                assert commit.step.session == kept.session
                assert hash(commit.step.session) == hash(kept.session)

    def test_load_knows_nothing_of_others(self, store: Store) -> None:
        """A session that was never committed is not there."""
        keep(store, approved("a"))
        assert store.load("b") is None
        assert [] == list(store.journal("b"))
        assert [] == list(store.ended("b"))
        assert store.run_ended("b", "r-1") is store.key_ended("b", "k") is None
        assert store.request_closed("b", "r-1", "q") is None

    def test_load_joins_spec_checkpoint_and_policy(self, store: Store) -> None:
        """What is not written with each step is the same afterwards, through changes and through none."""
        life = Life()
        life.start(input="x" * 100_000, key="k-1")
        life.begin()
        life.checkpoint("one")
        life.checkpoint("two")
        life.take(i.Attach("tab"))
        life.park(None, "q-1")
        life.take(i.Recovered(Policy(queue_max=5)))
        for commit in life.commits:
            store.commit([commit])
            kept = store.load("s-1")
            assert kept is not None and commit.step.session == kept.session

    def test_load_survives_the_next_incarnation(self, store: Store) -> None:
        """A session that is opened again goes on counting its revisions."""
        life = stopped()
        life.start("r-2")
        keep(store, life)
        kept = store.load("s-1")
        assert kept is not None
        assert (2, 3, life.session) == (kept.session.incarnation, kept.session.revision, kept.session)

    @pytest.mark.parametrize("text", ["", "\0", "é 漢 🙂", '"\\\n', "x" * 70_000])
    def test_texts_come_back_exactly(self, store: Store, text: str) -> None:
        """Bodies and names are opaque: any text comes back as it was."""
        life = Life(f"s{text[:5]}")
        life.start(f"r{text[:5]}", input=text, owner=text, key=text)
        life.begin()
        life.checkpoint(text)
        keep(store, life)
        kept = store.load(life.name)
        assert kept is not None and life.session == kept.session
        assert [entry_of(commit) for commit in life.commits] == list(store.journal(life.name))

    # -- the revision a step stands on --------------------------------------------------------------------------------

    def test_commit_refuses_a_step_on_another_revision(self, store: Store) -> None:
        """Of two steps on one revision the first is kept, and the second changes nothing."""
        life = approved()
        keep(store, life)
        before = everything(store, "s-1")
        (verdict,) = store.commit([life.commits[2]])
        assert isinstance(verdict, StoreError)
        assert "session s-1: changed underneath" in str(verdict)
        assert (2, 5) == (verdict.stands_on, verdict.revision)
        assert before == everything(store, "s-1")

    def test_commit_refuses_a_first_step_of_what_is_there(self, store: Store) -> None:
        """A session is opened once."""
        keep(store, approved())
        (verdict,) = store.commit([Life().start("r-9")])
        assert "changed underneath" in str(verdict)
        assert store.run_ended("s-1", "r-9") is None

    def test_commit_refuses_a_step_of_what_is_not_there(self, store: Store) -> None:
        """A step on a session that the store never saw is not kept."""
        (verdict,) = store.commit([approved().commits[1]])
        assert "the store has nothing" in str(verdict)
        assert store.load("s-1") is None

    def test_commit_refuses_what_is_no_step(self, store: Store) -> None:
        """A change in memory only, and a step that changed nothing, have no place in a journal."""
        life = Life()
        first = life.start()
        keep(store, life)
        alive = step(life.session, i.Detached("nobody"), life.now)
        never = step(None, i.Detached("nobody"), life.now)
        for took, before in ((alive, life.session), (never, None)):
            (verdict,) = store.commit([Commit(before, i.Detached("nobody"), life.now, took, 0)])
            assert isinstance(verdict, StoreError)
        assert [entry_of(first)] == list(store.journal("s-1"))

    def test_commit_takes_a_step_after_a_rearmed_orphan_timer(self, store: Store) -> None:
        """A re-arm is not journalled: the next step stands on the same revision all the same."""
        life = Life()
        life.start()
        assert life.kept.orphan is not None
        assert life.step(i.TimerFired("orphan", "s-1", life.kept.orphan.token), 61.0) is None
        life.begin()
        keep(store, life)
        kept = store.load("s-1")
        assert kept is not None and life.session == kept.session

    def test_commit_refuses_one_step_and_keeps_the_others(self, store: Store) -> None:
        """A verdict is about one step; what does not follow is refused by itself, wherever in the group it is."""
        good, other, stale = approved("a"), approved("b"), approved("c")
        keep(store, stale)
        group = [
            good.commits[0],
            stale.commits[1],
            good.commits[1],
            good.commits[1],
            other.commits[0],
            stale.commits[4],
        ]
        verdicts = store.commit(group)
        assert [True, False, True, False, True, False] == [verdict is None for verdict in verdicts]
        a, b, c = (store.load(name) for name in "abc")
        assert a is not None and b is not None and c is not None
        assert good.commits[1].step.session == a.session
        assert other.commits[0].step.session == b.session
        assert stale.session == c.session
        assert [1, 2] == [entry.revision for entry in store.journal("a")]

    def test_commit_keeps_several_steps_of_one_session_in_order(self, store: Store) -> None:
        """A whole life may come in one group."""
        life, other = approved("a"), parked("b")
        assert {None} == set(store.commit([*life.commits, *other.commits]))
        for one in (life, other):
            kept = store.load(one.name)
            assert kept is not None and one.session == kept.session
            assert [entry_of(commit) for commit in one.commits] == list(store.journal(one.name))

    def test_commit_refuses_names_that_are_taken(self, store: Store) -> None:
        """A run id or a key names one run of a session: a step that did not look is refused, the others are kept."""
        life = approved(key="k-1")
        keep(store, life)
        twins = {}
        for run, key in (("r-1", None), ("r-9", "k-1")):
            twin = Life()
            twin.session, twin.now = life.session, life.now
            twins[run] = twin.start(run, key=key)
        before = everything(store, "s-1")
        first, second, third = store.commit([twins["r-1"], twins["r-9"], Life("s-2").start()])
        assert "run id r-1 names another run" in str(first)
        assert "key k-1 names another run" in str(second)
        assert third is None
        assert before[:2] == everything(store, "s-1")[:2]  # type: ignore[index]

    def test_commit_of_nothing_is_nothing(self, store: Store) -> None:
        """A group may be empty."""
        assert [] == list(store.commit([]))

    def test_commit_refuses_what_has_no_text_by_itself(self, store: Store) -> None:
        """What cannot be written, where a store writes, takes nothing else with it."""
        odd = Life("odd")
        odd.start(input="\ud800")
        verdicts = store.commit([odd.commits[0], *approved("a").commits])
        assert {None} == set(verdicts[1:])
        kept = store.load("a")
        assert kept is not None and kept.session.revision == 5
        assert (verdicts[0] is None) == (store.load("odd") is not None)
        assert [None] == list(store.commit([Life("odd-2").start()]))

    # -- the journal --------------------------------------------------------------------------------------------------

    def test_journal_tells_every_step_in_order(self, store: Store) -> None:
        """An entry has input, time, moves and hooks; sessions do not mix, however their steps were committed."""
        lives = [approved(f"s-{n}") for n in range(3)]
        for group in zip(*(life.commits for life in lives), strict=True):
            store.commit(group)
        for life in lives:
            assert [entry_of(commit) for commit in life.commits] == list(store.journal(life.name))

    def test_journal_starts_after_a_revision(self, store: Store) -> None:
        """Whoever knows the journal up to a revision gets the rest."""
        keep(store, approved())
        assert [4, 5] == [entry.revision for entry in store.journal("s-1", after=3)]
        assert [] == list(store.journal("s-1", after=5))

    def test_journal_of_a_long_life_is_whole(self, store: Store) -> None:
        """However many steps, none is missing and none is told twice."""
        life = Life()
        life.start()
        for n in range(150):
            life.take(i.Attach(f"tab-{n}"))
            life.take(i.Detached(f"tab-{n}"))
        store.commit(life.commits)
        assert list(range(1, 302)) == [entry.revision for entry in store.journal("s-1")]

    def test_journal_leaves_out_what_the_store_had_found(self, store: Store) -> None:
        """What was found for an input is in the store already; the entry has the default."""
        life = approved(key="k-1")
        keep(store, life)
        found = Found(store.key_ended("s-1", "k-1"))
        life.start("r-2", found=found, key="k-2")
        keep_last(store, life)
        (entry,) = store.journal("s-1", after=5)
        assert isinstance(entry.input, i.StartRun)
        assert entry.input.found == i.NO_FIND

    def test_journal_replays_to_the_same_steps(self, store: Store) -> None:
        """The inputs and times of a journal are enough to take every step again."""
        life = parked()
        keep(store, life)
        session = None
        for entry in store.journal("s-1"):
            took = step(session, entry.input, entry.now)
            assert (entry.moves, entry.hooks) == (took.moves, took.hooks)
            session = took.session
        assert life.session == session

    # -- what has ended -----------------------------------------------------------------------------------------------

    def test_ended_run_is_found_by_id_and_by_key(self, store: Store) -> None:
        """The record of an end is found by either name of its run, and only in its session."""
        life = approved(key="k-1")
        keep(store, life, approved("s-2"))
        (ended,) = life.commits[-1].step.ended
        assert ended == store.run_ended("s-1", "r-1") == store.key_ended("s-1", "k-1")
        assert store.key_ended("s-2", "k-1") is None
        assert store.run_ended("s-1", "k-1") is None

    def test_unfinished_run_is_not_found(self, store: Store) -> None:
        """A run that has not ended has no record of an end, under any name."""
        keep(store, parked())
        assert store.run_ended("s-1", "r-1") is store.key_ended("s-1", "k-1") is None

    def test_ended_runs_are_told_in_order_of_admission(self, store: Store) -> None:
        """A page begins after an admission, whatever the order of the ends."""
        life = Life()
        for n in range(4):
            life.start(f"r-{n}")
        life.take(i.AbortRun("r-2", "ada"))
        life.take(i.AbortRun("r-0", "ada"))
        keep(store, life)
        assert ["r-0", "r-2"] == [one.spec.id for one in store.ended("s-1")]
        life.close()
        keep_last(store, life)
        assert ["r-0", "r-1", "r-2", "r-3"] == [one.spec.id for one in store.ended("s-1")]
        page = store.ended("s-1", limit=3)
        assert ["r-3"] == [one.spec.id for one in store.ended("s-1", after=page[-1].spec.admitted)]

    def test_request_is_found_once_it_is_closed(self, store: Store) -> None:
        """A closed request is found by run and id, decision and all; an open one is not."""
        life = Life()
        life.start()
        life.begin()
        life.ask("q-1", "q-2")
        keep(store, life)
        assert store.request_closed("s-1", "r-1", "q-1") is None
        life.decide("q-1")
        keep_last(store, life)
        request = store.request_closed("s-1", "r-1", "q-1")
        assert request is not None and request.answer is not None
        assert ("answered", "d-q-1") == (request.state, request.answer.decision)
        assert store.request_closed("s-1", "r-2", "q-1") is store.request_closed("s-1", "r-1", "q-2") is None

    def test_request_asked_again_is_found_as_it_closed_last(self, store: Store) -> None:
        """A question that was withdrawn may be asked again under its id; the later closing counts."""
        life = Life()
        life.start()
        life.begin()
        life.ask("q-1", "q-2")
        life.take(i.RequestRetracted(life.slot.id, life.slot.token, "q-1"))
        life.ask("q-1")
        life.decide("q-1")
        keep(store, life)
        request = store.request_closed("s-1", "r-1", "q-1")
        assert request is not None and "answered" == request.state

    # -- how far hooks were performed ---------------------------------------------------------------------------------

    def test_performed_comes_with_commits_and_marks(self, store: Store) -> None:
        """The latest of both counts; neither takes it back."""
        life = approved()
        store.commit(life.commits[:2])
        store.mark_performed({"s-1": 2, "nobody": 7})
        assert 2 == performed(store)
        store.commit([later(life.commits[2], performed=1)])
        assert 2 == performed(store)
        store.commit([later(life.commits[3], performed=3)])
        store.mark_performed({"s-1": 1})
        assert 3 == performed(store)
        store.commit([life.commits[4]])
        store.mark_performed({})
        assert 3 == performed(store)

    def test_performed_of_a_group_is_its_highest(self, store: Store) -> None:
        """Several steps of one session in one group bring their highest mark."""
        life = approved()
        marks = (0, 1, 3, 2, 0)
        store.commit([later(commit, performed=mark) for commit, mark in zip(life.commits, marks, strict=True)])
        assert 3 == performed(store)

    # -- lists --------------------------------------------------------------------------------------------------------

    def test_sessions_come_in_pages_in_order(self, store: Store) -> None:
        """A page starts after an id, ends at its limit, and holds whole sessions in order of their ids."""
        lives = {name: approved(name) for name in ("b", "a", "é", "B", "a1", "")}
        keep(store, *lives.values())
        found: list[str] = []
        after = None
        while page := store.sessions(after, limit=4):
            assert [lives[one.id].session for one in page] == list(page)
            found += [one.id for one in page]
            after = found[-1]
        assert sorted(lives) == found

    def test_sessions_of_a_state_are_all_and_only_those(self, store: Store) -> None:
        """A filter leaves out every other state, and pages as if there were none."""
        keep(store, *(approved(f"a-{n}") for n in range(3)), *(parked(f"b-{n}") for n in range(3)), stopped("c"))
        waiting = store.sessions(state="waiting_for_human", limit=2)
        assert ["b-0", "b-1"] == [one.id for one in waiting]
        assert ["b-2"] == [one.id for one in store.sessions("b-1", 2, "waiting_for_human")]
        assert ["c"] == [one.id for one in store.sessions(state="stopped")]
        assert [] == list(store.sessions(state="error"))

    def test_sessions_follow_their_states(self, store: Store) -> None:
        """A session is listed under the state it has now, and under no other."""
        life = approved()
        for commit in life.commits:
            store.commit([commit])
            assert commit.step.session is not None
            for state in ("starting", "running", "waiting_for_human", "ready"):
                expected = [commit.step.session] if state == commit.step.session.state else []
                assert expected == list(store.sessions(state=state))

    def test_unsettled_tells_the_busy_first(self, store: Store) -> None:
        """First what somebody may be waiting for, then the rest, each in order; what is over is left out."""
        watched = approved("z-watched")
        watched.take(i.Attach("tab"))
        in_place = Life("y-in-place")
        in_place.start()
        in_place.begin()
        in_place.ask("q-1")
        closing = Life("x-closing")
        closing.start()
        closing.begin()
        closing.close()
        asleep = Life("b-asleep")
        asleep.start()
        asleep.begin()
        asleep.park(None, "q-1")
        over = Life("a-over")
        over.start()
        over.take(i.Attach("tab"))
        over.close()
        keep(store, watched, in_place, closing, asleep, approved("c-rest"), parked("d-queued"), over)
        store.mark_performed({"a-over": over.kept.revision, "x-closing": closing.kept.revision})
        busy, rest = ["d-queued", "x-closing", "y-in-place", "z-watched"], ["b-asleep", "c-rest"]
        assert [*busy, *rest] == list(store.unsettled())

    def test_unsettled_tells_what_is_owed(self, store: Store) -> None:
        """A stopped session whose last hooks may not have been performed is not settled until they are."""
        over = stopped()
        keep(store, over)
        assert ["s-1"] == list(store.unsettled())
        store.mark_performed({"s-1": over.kept.revision})
        assert [] == list(store.unsettled())
        over.start("r-2")
        keep_last(store, over)
        assert ["s-1"] == list(store.unsettled())

    def test_latest_is_the_highest_time_kept(self, store: Store) -> None:
        """Steps keep the time of their arrival, so a later one may be older; time is what was highest."""
        assert 0 == store.latest()
        late, early = Life("a", BEGINNING + us(100)), Life("b", BEGINNING)
        late.start()
        early.start()
        keep(store, late, early)
        assert late.now == store.latest()

    # -- resting ------------------------------------------------------------------------------------------------------

    def test_session_at_rest_is_not_unsettled(self, store: Store) -> None:
        """What was laid to rest has nothing to recover: its hooks were performed, and it says that it rests."""
        life, other = asleep("a"), asleep("b")
        keep(store, life, other)
        assert (["a", "b"], False) == (list(store.unsettled()), whole(store, "a").rests)
        store.rest([resting(life)])
        kept = whole(store, "a")
        assert (["b"], True, life.kept.revision) == (list(store.unsettled()), kept.rests, kept.performed)
        assert life.session == kept.session

    def test_step_ends_a_rest(self, store: Store) -> None:
        """A session that a step was kept of does not rest, and is found by whoever recovers; alone or in a group."""
        lives = [asleep(name) for name in "abc"]
        keep(store, *lives)
        store.rest([resting(life) for life in lives])
        whole(store, "a")
        steps = [life.decide("q-1") for life in lives]
        assert [None] == list(store.commit(steps[:1]))
        assert [None, None] == list(store.commit(steps[1:]))
        assert ["a", "b", "c"] == list(store.unsettled())
        assert {False} == {whole(store, name).rests for name in "abc"}
        assert () == store.due(2**61, 9, POLICY).sessions

    def test_rest_is_of_a_revision_and_a_lease(self, store: Store) -> None:
        """What has gone on meanwhile, is another one's, is busy or is over does not rest; nobody is told of it."""
        old, other, queued, over = asleep("a-old"), asleep("b-other"), parked("c-queued"), stopped("d-over")
        keep(store, old, other, queued, over)
        was = resting(old)
        old.decide("q-1")
        keep_last(store, old)
        lost = attrs.evolve(resting(other), lease=Lease(7, 3))
        store.rest([was, lost, resting(queued), resting(over), attrs.evolve(was, session="nobody")])
        assert {False} == {whole(store, name).rests for name in ("a-old", "b-other", "c-queued", "d-over")}
        assert {"a-old", "b-other", "c-queued", "d-over"} == set(store.unsettled())

    def test_due_tells_whose_time_has_come(self, store: Store) -> None:
        """Sessions at rest are due from their time on, bounded, and it is told when to look for the next ones."""
        lives = [asleep(f"s-{n}") for n in range(4)]
        keep(store, *lives)
        at = BEGINNING + us(100)
        store.rest([resting(life, until) for life, until in zip(lives, (at + 5, at, None, at + 9), strict=True)])
        assert Due((), at) == store.due(at - 1, 9, POLICY)
        assert Due(("s-1",), at + 5) == store.due(at, 9, POLICY)
        assert ({"s-0", "s-1", "s-3"}, None) == told(store.due(at + 9, 9, POLICY))
        assert 2 == len(store.due(at + 9, 2, POLICY).sessions)
        store.rest([resting(lives[1], at + 7)])
        assert Due((), at + 5) == store.due(at + 4, 9, POLICY)

    def test_due_is_what_lives_under_another_policy(self, store: Store) -> None:
        """Whoever works under another policy is told of every session at rest, whatever its time; it takes them up."""
        lives = [asleep(f"s-{n}") for n in range(3)]
        keep(store, *lives)
        store.rest([resting(life, None) for life in lives])
        assert Due() == store.due(BEGINNING, 9, POLICY)
        assert ({"s-0", "s-1", "s-2"}, None) == told(store.due(BEGINNING, 9, Policy(queue_max=5)))
        lives[0].take(i.Recovered(Policy(queue_max=5)))
        keep_last(store, lives[0])
        store.rest([resting(lives[0], None)])
        assert ({"s-1", "s-2"}, None) == told(store.due(BEGINNING, 9, Policy(queue_max=5)))
        assert ({"s-0"}, None) == told(store.due(BEGINNING, 9, POLICY))

    def test_session_at_rest_is_compacted_like_any_other(self, store: Store) -> None:
        """What is past its retention leaves a session at rest, and it rests on."""
        life = approved()
        keep(store, life)
        store.rest([resting(life, None)])
        assert 1 == compact(store, life.now).runs
        assert whole(store, "s-1").rests and [] == list(store.unsettled())

    # -- letting go ---------------------------------------------------------------------------------------------------

    def test_ended_run_leaves_by_all_its_names(self, store: Store) -> None:
        """With an ended run go its spec, its key and its closed requests; the session is what it was."""
        life, other = approved(key="k-1"), approved("s-2", key="k-1")
        keep(store, life, other)
        assert 1 == compact(store, life.now, "s-1").runs
        assert store.run_ended("s-1", "r-1") is store.key_ended("s-1", "k-1") is None
        assert store.request_closed("s-1", "r-1", "q-1") is None
        assert [] == list(store.ended("s-1"))
        assert kept_of(store, "s-1") == life.session
        assert other.commits[-1].step.ended[0] == store.key_ended("s-2", "k-1")
        assert store.request_closed("s-2", "r-1", "q-1") is not None

    def test_nothing_leaves_before_its_time(self, store: Store) -> None:
        """A microsecond before, nothing has gone; what ended later stays when others leave."""
        life = approved(key="k-1")
        first = life.now
        life.start("r-2", key="k-2")
        life.begin()
        life.settle()
        keep(store, life)
        begun = life.commits[0].now
        before = everything(store, "s-1")
        assert [] == list(store.aged(begun - 1))
        assert Compacted() == compact(store, begun - 1)
        assert before == everything(store, "s-1")
        assert ["s-1"] == list(dict.fromkeys(store.aged(first)))
        done = compact(store, first)
        assert (1, 5) == (done.runs, done.entries)
        assert ["r-2"] == [one.spec.id for one in store.ended("s-1")]
        assert store.key_ended("s-1", "k-2") is not None
        assert [6, 7, 8] == [entry.revision for entry in store.journal("s-1")]
        assert [] == list(store.aged(first))

    def test_names_of_a_run_that_left_are_free(self, store: Store) -> None:
        """An id and a key name one run until its retention after its end, and another one after that."""
        life = approved(key="k-1")
        keep(store, life)
        compact(store, life.now)
        life.start("r-1", key="k-1", digest="of something else")
        keep_last(store, life)
        assert kept_of(store, "s-1") == life.session
        replay_kept(store, "s-1")

    def test_unfinished_run_never_leaves(self, store: Store) -> None:
        """However old: what waits for a human, or in the queue, stays with spec, checkpoint, key and closed requests."""
        life = parked()
        life.take(i.Attach("tab"))
        life.decide("q-1")
        keep(store, life)
        closed = store.request_closed("s-1", "r-1", "q-1")
        done = compact(store, life.now + us(1e9))
        assert (0, len(life.commits), ()) == (done.runs, done.entries, done.sessions)
        assert kept_of(store, "s-1") == life.session
        assert closed is not None and closed == store.request_closed("s-1", "r-1", "q-1")
        life.decide("q-2")
        keep_last(store, life)
        assert kept_of(store, "s-1") == life.session
        replay_kept(store, "s-1")

    def test_run_whose_code_is_at_work_stays(self, store: Store) -> None:
        """An ended run whose code has not returned keeps its names until it is released."""
        life = Life()
        life.start(key="k-1")
        life.begin()
        life.take(i.AbortRun("r-1", "ada"))
        keep(store, life)
        assert 0 == compact(store, life.now).runs
        assert store.key_ended("s-1", "k-1") is not None
        life.settle()
        keep_last(store, life)
        assert 1 == compact(store, life.now).runs
        assert store.key_ended("s-1", "k-1") is None

    def test_journal_stands_on_a_snapshot(self, store: Store) -> None:
        """What came before a compaction is its snapshot; it and the entries since replay to the session."""
        life = parked()
        keep(store, life)
        assert store.snapshot("s-1") is store.snapshot("nobody") is None
        cut = life.session
        compact(store, life.now)
        assert cut == store.snapshot("s-1")
        assert [] == list(store.journal("s-1"))
        life.decide("q-1")
        life.decide("q-2")
        for commit in life.commits[-2:]:
            assert [None] == list(store.commit([commit]))
        assert life.commits[-2].step.session is not None
        first = life.commits[-2].step.session.revision
        assert [first, first + 1] == [entry.revision for entry in store.journal("s-1")]
        assert [first + 1] == [entry.revision for entry in store.journal("s-1", first)]
        assert (2, life.session) == (replay_kept(store, "s-1").entries, replay_kept(store, "s-1").session)

    def test_young_entries_stay_for_the_history(self, store: Store) -> None:
        """Below the snapshot an entry stays until its own time; a replay does not need it."""
        life = approved()
        keep(store, life)
        assert 2 == compact(store, life.commits[1].now).entries
        assert [3, 4, 5] == [entry.revision for entry in store.journal("s-1")]
        assert life.session == store.snapshot("s-1")
        assert 0 == replay_kept(store, "s-1").entries

    def test_owed_hooks_keep_everything(self, store: Store) -> None:
        """While a durable hook may be owed nothing of its session is removed, whoever asks."""
        life = approved()
        keep(store, life)
        store.mark_performed({"s-1": 4})
        before = everything(store, "s-1")
        assert Compacted() == store.compact({"s-1": 0, "nobody": 9}, life.now, 10)
        assert before == everything(store, "s-1")
        assert [5] == [entry.revision for entry in store.journal("s-1", performed(store))]
        assert 5 == store.compact({"s-1": 5}, life.now, 10).entries
        assert 5 == performed(store)

    def test_stopped_session_leaves_with_its_last(self, store: Store) -> None:
        """What is over leaves altogether once everything of it is past its time, not before."""
        life, other = stopped(), stopped("s-2")
        keep(store, life, other)
        assert () == compact(store, life.commits[0].now, "s-1").sessions
        assert kept_of(store, "s-1") == life.session
        assert ("s-1",) == compact(store, life.now, "s-1").sessions
        assert store.load("s-1") is store.snapshot("s-1") is store.run_ended("s-1", "r-1") is None
        assert [] == list(store.journal("s-1"))
        assert ["s-2"] == [one.id for one in store.sessions()]
        assert ["s-2"] == list(dict.fromkeys(store.aged(life.now)))

    def test_session_that_rests_stays(self, store: Store) -> None:
        """Only what is stopped leaves: a session that waits for its next run keeps its present."""
        life = approved()
        keep(store, life)
        assert () == compact(store, life.now + us(1e9)).sessions
        assert kept_of(store, "s-1") == life.session

    def test_next_life_counts_from_what_left(self, store: Store) -> None:
        """No revision and no incarnation of a session that left names anything of a later one, whatever its id."""
        assert store.floor() is None
        life = stopped()
        life.start("r-2")
        life.close()
        keep(store, life)
        compact(store, life.now)
        assert Floor(2, 4) == store.floor()
        forgetful, fresh = Life(), Life()
        forgetful.start()
        (verdict,) = store.commit([Commit(None, forgetful.commits[0].input, life.now, fresh_step(2), 0)])
        assert "the step goes from revision 0 to 3" in str(verdict)
        fresh.start(floor=store.floor())
        assert (3, 5) == (fresh.kept.incarnation, fresh.kept.revision)
        fresh.begin()
        keep(store, fresh)
        assert kept_of(store, "s-1") == fresh.session
        assert [entry_of(commit) for commit in fresh.commits] == list(store.journal("s-1"))
        assert [6] == [entry.revision for entry in store.journal("s-1", 5)]
        assert (2, fresh.session) == (replay_kept(store, "s-1").entries, replay_kept(store, "s-1").session)

    def test_session_is_not_opened_below_the_floor(self, store: Store) -> None:
        """A step that looked at the floor before a session left is refused by itself: its numbers may have been used."""
        life = stopped()
        keep(store, life)
        early, other = Life("s-1", life.now).start(), Life("s-2").start()
        assert ("s-1",) == compact(store, life.now).sessions
        floor = store.floor()
        assert floor is not None
        late = Life("s-3").start(floor=floor)
        told = store.commit([early, late, other])
        assert [True, False, True] == [one is not None and is_below_floor(one) for one in told]
        assert ["s-3"] == [one.id for one in store.sessions()]
        assert [None] == list(store.commit([Life("s-1", life.now).start(floor=floor)]))

    def test_compaction_is_bounded(self, store: Store) -> None:
        """One batch takes so many rows of a session at most; the session is there until the last of them."""
        life = Life()
        for n in range(6):
            life.start(f"r-{n}", key=f"k-{n}")
        life.close()
        keep(store, life)
        taken = []
        while done := list(dict.fromkeys(store.aged(life.now))):
            batch = store.compact(dict.fromkeys(done, life.kept.revision), life.now, 2)
            taken.append((batch.runs, batch.entries, batch.sessions))
        assert [(2, 2, ()), (2, 2, ()), (2, 2, ()), (0, 1, ("s-1",))] == taken

    def test_time_outlives_what_was_kept(self, store: Store) -> None:
        """Time never runs below what was stored, be it of something that has left."""
        life = stopped()
        keep(store, life)
        compact(store, life.now)
        assert [] == list(store.sessions())
        assert life.now == store.latest()

    # -- whose it is --------------------------------------------------------------------------------------------------

    def test_store_is_claimed_once(self, store: Store) -> None:
        """One runtime works on a store; a second one is told so, and the first goes on. A closed one is nobody's."""
        store.claim()
        with pytest.raises(StoreError, match="another runtime works on it; close that one"):
            store.claim()
        assert store.worker > 0
        store.close()
        with pytest.raises(StoreError, match="closed; open"):
            store.claim()

    def test_first_step_takes_the_lease(self, store: Store) -> None:
        """The first step of a worker takes the session in the next epoch; steps on an older one are refused by name."""
        store.claim()
        life = approved()
        first, second, *rest = life.commits
        assert [None] == list(store.commit([first]))
        kept = store.load("s-1")
        assert kept is not None and (Lease(store.worker, 1), None) == (kept.lease, kept.holder)
        (lost,) = store.commit([second])
        assert lost is not None and is_lost(lost) and not is_elsewhere(lost)
        assert "session s-1: lost the lease: the step stands on epoch 0, and the session is in epoch 1" in str(lost)
        assert [None] * (1 + len(rest)) == list(store.commit([under(kept.lease, one) for one in (second, *rest)]))
        assert store.holder("s-1") is not None and store.holder("s-2") is None

    # -- the end ------------------------------------------------------------------------------------------------------

    def test_closed_store_refuses_everything(self, store: Store) -> None:
        """What was closed says so, in one sentence, and may be closed again."""
        keep(store, approved())
        store.close()
        store.close()
        for call in (
            lambda: store.load("s-1"),
            lambda: store.commit([Life("s-2").start()]),
            lambda: store.mark_performed({"s-1": 1}),
            lambda: list(store.journal("s-1")),
            lambda: store.sessions(),
            lambda: store.unsettled(),
            lambda: store.rest([resting(approved())]),
            lambda: store.due(0, 1, POLICY),
            lambda: list(store.aged(0)),
            lambda: store.compact({"s-1": 5}, 0, 1),
            lambda: store.snapshot("s-1"),
            lambda: store.floor(),
        ):
            with pytest.raises(StoreError, match="closed; open"):
                call()


def compact(store: Store, before: int, *names: str) -> Compacted:
    """Let go of what some sessions, or all, keep of a time; their hooks were performed."""
    revisions = {one.id: one.revision for one in store.sessions() if not names or one.id in names}
    return store.compact(revisions, before, 1_000)


def whole(store: Store, name: str) -> Kept:
    """Return all that is kept of a session."""
    kept = store.load(name)
    assert kept is not None
    return kept


def asleep(name: str) -> Life:
    """Return a life that waits for a human with nothing in memory, and nothing behind it."""
    life = Life(name)
    life.start()
    life.begin()
    life.park(None, "q-1")
    return life


def resting(life: Life, until: int | None = 0) -> Resting:
    """Lay a session to rest as it is."""
    return Resting(life.name, life.kept.revision, NOBODY, until)


def told(due: Due) -> tuple[set[str], int | None]:
    """Return what is due, in no order, and when to look again."""
    return set(due.sessions), due.next_at


def kept_of(store: Store, name: str) -> object:
    """Return the value of a session as it is kept."""
    kept = store.load(name)
    return None if kept is None else kept.session


def fresh_step(revision: int) -> Step:
    """Return a first step of a session that opens above a revision."""
    life = Life()
    return life.start(floor=Floor(1, revision)).step


def keep_last(store: Store, life: Life) -> None:
    """Keep the latest step of a life."""
    assert [None] == list(store.commit(life.commits[-1:]))


def performed(store: Store) -> int:
    """Return how far the hooks of the session were performed."""
    kept = store.load("s-1")
    assert kept is not None
    return kept.performed
