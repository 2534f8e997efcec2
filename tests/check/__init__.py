"""Tests of the checker: what it explores, what it proves, what it tells."""
