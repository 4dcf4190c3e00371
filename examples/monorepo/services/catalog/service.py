"""What is for sale."""

from shop.money import euros
from shop.web import application

app = application("catalog")
BOOKS = {"Middlemarch": 1250, "Emma": 990}


@app.get("/books")
def books():
    return {title: euros(cents) for title, cents in BOOKS.items()}
