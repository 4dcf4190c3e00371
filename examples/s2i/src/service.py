"""Says hello by way of a page, without a network."""

import sys

from flask import Flask

app = Flask(__name__)


@app.get("/<name>")
def greet(name):
    return {"greeting": f"Hello, {name}!"}


if __name__ == "__main__":
    print(app.test_client().get("/" + (sys.argv[1] if sys.argv[1:] else "world")).text.strip())
