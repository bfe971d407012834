"""What if it were not deep? Models without a network, scored on the same targets."""
