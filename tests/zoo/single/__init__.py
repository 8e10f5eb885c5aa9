"""One change at a time: right drivers are changed in one place by machine, and the checks of their family run over each."""
