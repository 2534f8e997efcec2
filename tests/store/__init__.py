"""Stores: one contract for all, and what can go wrong with a file."""
