"""Data-access patterns behind small protocols, usable in an application."""
