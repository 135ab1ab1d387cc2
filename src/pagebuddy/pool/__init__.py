"""A pool of processes whose arguments and results stay in an arena."""
