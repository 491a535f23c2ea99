"""A week of a company: a host and three stations on three databases, at real mail servers, on the week's own clock.

Five working days and a weekend. Every place works on its own database and mails a few times a day, one is away for two
days, and now and then two places change the same. What each has written is known: see work.py.
"""
