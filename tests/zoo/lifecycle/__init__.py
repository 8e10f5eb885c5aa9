"""Drivers of several data models that are wrong, or merely unusual, in how they begin and end."""
