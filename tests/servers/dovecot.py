"""Dovecot's configuration: IMAP and POP3 with both kinds of TLS, delivery by LMTP, the log-in for Postfix, quota.

Traps:
* `auth_failure_delay` and the penalty that `anvil` keeps for each address: after one test with a wrong password every
  later log-in from 127.0.0.1 would wait for seconds.
* `pop3_lock_session = yes` makes a second log-in to a mailbox hang until its time is over.
* `service_count = 0` lets a log-in process serve many connections; else each costs one process more.
* The mail location must be one that Dovecot's user can reach: below pytest's `tmp_path`, which is 0700, it is not.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

PREFIX = "INBOX."
"""Of the folders of some users, as many providers have it."""
MAIL_USER = "mail"
"""Owner of the mailboxes: a user of every Debian."""


def configuration(folder: Path, ports: Mapping[str, int], quota: str) -> str:
    """dovecot.conf for a farm in `folder`; `quota` such as '1G' is that of users who have none of their own."""
    return _MAIN.format(folder=folder, quota=quota, user=MAIL_USER, name=folder.name, **ports)


def password_file(passwords: Mapping[str, str], quotas: Mapping[str, str], prefixed: Container[str]) -> str:
    """One line a user: the fields of passwd(5), and after them what concerns Dovecot alone."""

    def line(user: str) -> str:
        extra = [f"userdb_quota_rule=*:storage={quotas[user]}"] if user in quotas else []
        if user in prefixed:
            extra.append(f"userdb_namespace/inbox/prefix={PREFIX}")
        return f"{user}:{{PLAIN}}{passwords[user]}::::::{' '.join(extra)}\n"

    return "".join(line(user) for user in passwords)


def token_check(introspection_url: str, authority: Path) -> str:
    """oauth2.conf.ext: a token is good when the token server says that it is active and whose it is (RFC 7662)."""
    return (
        f"introspection_url = {introspection_url}\n"
        "introspection_mode = post\n"
        f"tls_ca_cert_file = {authority}\n"
        "active_attribute = active\n"
        "active_value = true\n"
        "username_attribute = username\n"
        "username_format = %Ln\n"
    )


_MAIN = """\
base_dir = {folder}/dovecot-run
state_dir = {folder}/dovecot-state
log_path = {folder}/dovecot.log
instance_name = {name}
protocols = imap pop3 lmtp
listen = 127.0.0.1
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%n
mail_home = {folder}/mail/%n
mail_uid = {user}
mail_gid = {user}
mail_plugins = quota
recipient_delimiter = +

ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key

disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
auth_username_format = %Ln

passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN username_format=%n {folder}/passwords
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf.ext
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {folder}/passwords
  default_fields = uid={user} gid={user} home={folder}/mail/%n
}}

namespace inbox {{
  inbox = yes
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
}}

plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage={quota}
  quota_grace = 0
  quota_status_success = DUNNO
  quota_status_nouser = DUNNO
  quota_status_overquota = "552 5.2.2 Mailbox is full"
  sieve = file:{folder}/sieve/%n.sieve
  sieve_vacation_min_period = 0
}}

service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  service_count = 0
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service auth {{
  inet_listener {{
    port = {login}
  }}
}}
service quota-status {{
  executable = quota-status -p postfix
  client_limit = 1
  inet_listener {{
    port = {quota_status}
  }}
}}

protocol imap {{
  mail_plugins = $mail_plugins imap_quota
  mail_max_userip_connections = 100
}}
protocol pop3 {{
  pop3_uidl_format = %08Xu%08Xv
  pop3_lock_session = no
  mail_max_userip_connections = 100
}}
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
  postmaster_address = postmaster@example.test
}}
submission_host = 127.0.0.1:{outside}
"""
