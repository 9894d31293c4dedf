"""The tuner: oracles that propose trials, allocations that assign executions, and the search loop."""
