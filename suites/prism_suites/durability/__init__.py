"""What survives SIGKILL."""
