"""Mailboxes and the mails that go through them."""
