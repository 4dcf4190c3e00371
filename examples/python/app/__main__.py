"""Ask the service for its page without a network, and print what it says."""

import sys

from app.service import app

print(app.test_client().get("/" + "".join(sys.argv[1:2])).text.strip())
