"""For all tests: signals as at a terminal, and the servers that some of them need."""

from __future__ import annotations

import signal

pytest_plugins = ["tests.servers.fixtures"]

# A test run that is a background job is started with Ctrl-C ignored, and its children inherit that: commands under
# test could then not be stopped by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
