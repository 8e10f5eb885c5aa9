"""Images of real servers, made of what is on this machine: for the container path where no registry can be reached."""
