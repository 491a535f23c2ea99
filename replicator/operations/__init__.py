"""One function a use case: what the command line and the pages call."""
