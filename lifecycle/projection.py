"""The projection: what a list of sessions shows, a pure function of the record.

What lives here: read models folded from a session. What must not: any state of its own. The law of this file: what is
shown as active is an unfinished run, so it can be aborted; a run that has ended is not shown as active, whatever its
code still does.
"""

from __future__ import annotations

from lifecycle.kernel.values import Request, Run, Session, value


@value
class RequestView:
    """An open question. ``body`` is its text as asked; ``expires_at`` is engine time, none: no expiry."""

    id: str
    kind: str
    body: str
    digest: str
    expires_at: int | None


@value
class RunView:
    """An unfinished run."""

    id: str
    state: str
    agent: str
    owner: str
    attempt: int
    segment: int
    queued: bool
    requests: tuple[RequestView, ...]


@value
class SessionView:
    """A session as a list shows it. ``active``: the id of its head; ``closing``: a run whose code has outlived it."""

    id: str
    incarnation: int
    revision: int
    state: str
    cause: str | None
    active: str | None
    runs: tuple[RunView, ...]
    closing: str | None
    attached: int
    updated_at: int


def project(session: Session) -> SessionView:
    """Fold a session into what is shown of it."""
    head, slot = session.head, session.execution
    return SessionView(
        session.id,
        session.incarnation,
        session.revision,
        session.state,
        session.cause,
        None if head is None else head.spec.id,
        tuple(project_run(run, run is not head) for run in session.unfinished()),
        slot.run if slot is not None and slot.state == "closing" else None,
        len(session.attachments),
        session.now,
    )


def project_run(run: Run, queued: bool) -> RunView:
    """Fold an unfinished run."""
    spec = run.spec
    asked = tuple(project_request(request) for request in run.requests if request.state == "open")
    return RunView(spec.id, run.state, spec.agent, spec.owner, run.attempt, run.segment, queued, asked)


def project_request(request: Request) -> RequestView:
    """Fold an open request."""
    expires = None if request.expiry is None else request.expiry.due
    return RequestView(request.id, request.kind, request.body, request.digest, expires)
