"""What the two ends say to each other, without I/O: messages, codec, envelope, link, rules, judging."""
