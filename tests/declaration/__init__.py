"""Tests of the declaration: table, running, judging, explaining, interchange."""
