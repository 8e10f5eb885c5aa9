"""Wrong drivers over real servers: a shipped driver with one text of its source changed, each breaking one promise."""
