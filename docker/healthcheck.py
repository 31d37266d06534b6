"""Exit 0 when the web process of this container answers /healthz (the image has no curl)."""

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=5)
connection.request("GET", "/healthz")
sys.exit(connection.getresponse().status != 200)
