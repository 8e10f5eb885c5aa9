"""MinIO. How a server of it comes to be needs no client library; what is registered (`backend`) does."""
