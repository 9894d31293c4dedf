"""What trials cost: counted from their graphs, and measured in turns."""
