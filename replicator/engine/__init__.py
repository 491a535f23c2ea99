"""What a run does, a file a step."""
