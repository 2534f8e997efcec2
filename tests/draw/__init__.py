"""Tests of the pictures: what they say, that others can read them, and that nobody has to squint."""
