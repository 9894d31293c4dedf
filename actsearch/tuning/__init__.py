"""The tuner: who proposes trials, who gets the next execution, and the loop."""
