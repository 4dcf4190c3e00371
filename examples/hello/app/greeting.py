"""What to say to somebody."""


def of(name: str) -> str:
    return f"Hello, {name}!"
