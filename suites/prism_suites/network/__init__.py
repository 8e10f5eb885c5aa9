"""What must hold over a network that fails between a driver and its server."""
