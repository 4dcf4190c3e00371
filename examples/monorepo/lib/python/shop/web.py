"""An application with what every service answers."""

from flask import Flask


def application(name: str) -> Flask:
    app = Flask(name)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "service": name}

    return app
