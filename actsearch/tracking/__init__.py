"""Writes the ledger to MLflow, repeatably, in a separate process."""
