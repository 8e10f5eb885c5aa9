"""MinIO: so far how a server of it comes to be. Nothing here needs a client library."""
