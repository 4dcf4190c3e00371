"""Errors of targets: in the user's files, at the attribute or the target that is to blame."""

from __future__ import annotations

from hermes.dsl.dialect.values import EvalError
from hermes.dsl.places import Places
from hermes.dsl.rule import Target
from hermes.errors import BuildFileError, HermesError


class Blame:
    """Gives errors their places."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def at(self, target: Target, attribute: str, error: EvalError | HermesError) -> HermesError:
        """Return an error at an attribute of a target, or at the target where none is given."""
        if isinstance(error, HermesError) and error.location is not None:
            return error
        place = target.location()
        if attribute:
            place = self._places.argument_location(place, attribute)
        message = error.message if isinstance(error, HermesError) else str(error)
        kind = type(error) if isinstance(error, BuildFileError) else BuildFileError
        if str(target.label) not in message:
            message = f"{target.label}: {message}"
        return kind(message, hint=error.hint, location=place)

    def implementation(self, target: Target, error: EvalError | HermesError) -> HermesError:
        """Place an error of a rule's implementation in the user's file: the attribute to blame, or the target."""
        own = target.rule.file.startswith("@")
        attribute = getattr(error, "attribute", "")
        if own or attribute or (isinstance(error, EvalError) and error.__traceback__ is None):
            return self.at(target, attribute, error)
        located = self._places.located(error)
        located.message = f"{target.label}: {located.message}\n  for the target at {target.location()}"
        return located
