"""One execution: built, trained, measured, recorded."""
