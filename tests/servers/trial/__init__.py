"""A host and four stations exchange by real servers while everything befalls them that mail servers and computers do.

    python -m tests.servers.trial --megabytes 200

Five mailboxes on Postfix and Dovecot, which take mails of 3 MB; POP3 and IMAP, STARTTLS and TLS from the first byte,
one station by XOAUTH2. The host's initial load goes to all four. Meanwhile the applications at all five places write,
mail servers die within a mail, connections are cut, replies and goodbyes lost, mailboxes full, senders put off; and
nodes are killed. Nodes are real processes, called in rounds until nothing is left to do. Then all must be equal,
everything applied once, and nothing left over: see proof.py.
"""
