"""What the score of a joint search depends on."""
