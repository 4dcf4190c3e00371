"""What is written to those who bought."""

from flask import render_template_string
from shop.web import application

app = application("mailer")


@app.get("/letter/<name>")
def letter(name):
    return render_template_string("Dear {{ name }},\n\nyour book is on its way.\n", name=name)
