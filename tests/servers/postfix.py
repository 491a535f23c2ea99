"""Postfix's configuration: submission with both kinds of TLS, some listeners with a limit, and one for strangers.

Traps:
* The user `postfix` has to get through to the folder: all its parents must be 0755, and pytest's `tmp_path` is 0700.
* With a `mynetworks` that holds 127.0.0.1, loopback passes without log-in and without rate limits.
* smtpd ends at once if Dovecot's log-in does not answer yet: start Dovecot first, and wait for it.
* Dovecot tells at delivery that a mailbox is full, when the sender has long been told that all is well. So smtpd asks
  Dovecot's quota-status at RCPT; the later case is met by filling a mailbox with a mail under way.
* An smtpd that has spoken with a Dovecot which was killed since refuses the next log-in with 454. So each serves one
  client only (`max_use`), and the next one speaks with the new Dovecot.
* `smtpd_recipient_restrictions` belong to RCPT, but a SIZE that is too large is refused at MAIL already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

DOMAIN = "example.test"
SMALL_LIMIT = 300_000
"""Bytes of a mail at the listeners `small` (which says so at EHLO) and `silent` (which does not)."""

RATE_SECONDS = 10
"""In which a client's mails are counted, where their number is limited; each listener counts for itself."""


def main_configuration(
    folder: Path, ports: Mapping[str, int], users: Sequence[str], size_limit: int, message_rate: int
) -> str:
    """main.cf for a farm in `folder`; a mail may have `size_limit` bytes, a client send `message_rate` in a while."""
    boxes = ", ".join(f"{{ {user}@{DOMAIN} = {user} }}" for user in users)
    values = {"folder": folder, "name": folder.name, "domain": DOMAIN, "boxes": boxes, "size_limit": size_limit}
    return _MAIN.format(**values, message_rate=message_rate, rate_seconds=RATE_SECONDS, **ports)


def service_configuration(ports: Mapping[str, int]) -> str:
    """master.cf: what listens where."""
    return _SERVICES.format(small_limit=SMALL_LIMIT, **ports)


_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/postfix-data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
multi_instance_name = postfix-{name}
multi_instance_enable = yes

inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydomain = {domain}
myorigin = {domain}
mydestination =
mynetworks =
local_recipient_maps =
alias_maps =
alias_database =
append_dot_mydomain = no
biff = no

virtual_mailbox_domains = {domain}
virtual_mailbox_maps = inline:{{ {boxes} }}
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
default_transport = error:5.1.2 the test servers deliver nothing to the outside
relay_transport = error:5.1.2 the test servers deliver nothing to the outside
smtp_dns_support_level = disabled
smtp_host_lookup = native

message_size_limit = {size_limit}
mailbox_size_limit = 0
virtual_mailbox_limit = 0

smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{login}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/server.pem
smtpd_tls_key_file = {folder}/server.key
smtpd_tls_auth_only = no
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
    reject_unlisted_recipient
    check_policy_service inet:127.0.0.1:{recipient_policy}
    check_policy_service inet:127.0.0.1:{quota_status}
    permit_sasl_authenticated
    reject
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_sender_login_maps = inline:{{ {boxes} }}

smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_client_event_limit_exceptions =
smtpd_client_message_rate_limit = {message_rate}
anvil_rate_time_unit = {rate_seconds}s
smtpd_peername_lookup = no
in_flow_delay = 0
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 4s
maximal_queue_lifetime = 1h
bounce_queue_lifetime = 1h
"""

_SERVICES = """\
127.0.0.1:{smtp}    inet n - n - - smtpd
    -o max_use=1
127.0.0.1:{smtps}   inet n - n - - smtpd
    -o max_use=1
    -o smtpd_tls_wrappermode=yes
127.0.0.1:{small}   inet n - n - - smtpd
    -o max_use=1
    -o message_size_limit={small_limit}
127.0.0.1:{silent}  inet n - n - - smtpd
    -o max_use=1
    -o message_size_limit={small_limit}
    -o smtpd_discard_ehlo_keywords=size
127.0.0.1:{outside} inet n - n - - smtpd
    -o smtpd_sasl_auth_enable=no
    -o smtpd_sender_restrictions=
    -o smtpd_relay_restrictions=permit_auth_destination,reject
    -o smtpd_recipient_restrictions=permit_auth_destination,reject
cleanup  unix n - n - 0 cleanup
qmgr     unix n - n 300 1 qmgr
tlsmgr   unix - - n 1000? 1 tlsmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
verify   unix - - n - 1 verify
flush    unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error    unix - - n - - error
retry    unix - - n - - error
discard  unix - - n - - discard
lmtp     unix - - n - - lmtp
anvil    unix - - n - 1 anvil
scache   unix - - n - 1 scache
postlog  unix-dgram n - n - 1 postlogd
"""
