"""Where executions run: in this process, in child processes, or on Ray."""
