"""Real servers for the tests: Postfix and Dovecot, a proxy that does harm, and a token server for OAuth2."""
