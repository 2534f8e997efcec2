"""The kernel, told as stories: one rule a test."""
