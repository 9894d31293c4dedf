"""Draws the ledger into MLflow, repeatably, in a process of its own."""
