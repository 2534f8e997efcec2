"""The command, as it is typed: its output, its questions, its exit codes."""
