"""A page that greets who asks for it."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
@app.get("/<name>")
def greet(name="world"):
    return {"greeting": f"Hello, {name}!"}
