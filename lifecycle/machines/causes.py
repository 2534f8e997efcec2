"""Causes: the closed set of reasons why a run ended.

What lives here: each cause under the one trigger it belongs to. What must not: free text; that goes beside the cause.
The law of this file: a cause belongs to exactly one trigger, so a cause tells the state.
"""

from __future__ import annotations

CAUSES: dict[str, tuple[str, ...]] = {
    "complete": ("completed", "provider_ready"),
    "abort": ("aborted", "superseded", "shutdown", "crashed", "provider_interrupted"),
    "stop": ("rejected", "deadline", "queue_deadline", "request_expired", "closed", "provider_stopped"),
    "fail": ("failed", "crashed_out", "provider_gone", "provider_error"),
}

SESSION_CAUSES: dict[str, str] = {"close": "closed", "reap": "orphaned"}
"""Why a session is stopped, by the trigger that stopped it."""

STATE_OF: dict[str, str] = {"complete": "ready", "abort": "interrupted", "stop": "stopped", "fail": "error"}
"""The final state that each ending trigger leads to."""
