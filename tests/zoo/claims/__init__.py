"""Claim checks of the zoo: wrong ones, and correct ones by strangers."""
