"""Who buys."""

from flask import abort
from shop.web import application

app = application("users")
USERS = {"ada": "Ada Lovelace", "grace": "Grace Hopper"}


@app.get("/users/<name>")
def user(name):
    return {"name": USERS.get(name) or abort(404)}
