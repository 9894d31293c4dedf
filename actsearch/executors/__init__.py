"""Where executions run: in this process, in child processes, or on Ray."""

from actsearch.executors.config import Place


class Local: ...


class Ray: ...


def get(executor):
    return executor


def make(executor, executions, message):
    return (executor or Place()).executor(executions, message)
