"""What it costs with tax."""

from shop.money import euros
from shop.web import application

app = application("billing")


@app.get("/bill/<int:cents>")
def bill(cents):
    return {"net": euros(cents), "gross": euros(round(cents * 1.19))}
