"""Who ordered what."""

from shop.web import application

app = application("orders")


@app.get("/orders/<int:number>")
def order(number):
    return {"order": number, "state": "paid" if number % 2 else "open"}
