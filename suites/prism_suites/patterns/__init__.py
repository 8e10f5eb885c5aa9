"""One suite for each interface."""
