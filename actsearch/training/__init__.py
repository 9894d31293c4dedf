"""One execution: builds, trains, measures and records a model."""
