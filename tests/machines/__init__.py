"""The declared machines: judged, compared with `transitions`, and pinned as text."""
