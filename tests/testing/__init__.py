"""What users test with, tested: faults, fixtures, journals, strategies, and the tour of the kernel on the runtime."""
