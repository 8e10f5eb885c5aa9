"""The shipped backends, one module each, imported only when selected."""
