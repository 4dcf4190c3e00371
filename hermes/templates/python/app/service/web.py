"""A page that greets who asks for it."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
@app.get("/<name>")
def greet(name: str = "world") -> dict[str, str]:
    return {"greeting": f"Hello, {name}!"}
