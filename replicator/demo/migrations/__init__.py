"""The invoicing application's own migrations, by which it gets a new version in the middle of the day."""
