"""Schedules: the loop of virtual time, plans, the gate, and racy programs that plans must find."""
