"""Tests of the documentation: what it shows is run, what it generates is fresh, what it links to is there."""
