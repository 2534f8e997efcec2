"""Reliability campaigns: faults by the thousand, each with a control that must fail. Run ``python -m tests.reliability``."""
