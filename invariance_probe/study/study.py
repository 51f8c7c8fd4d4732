"""The study: a design whose fields are checked against each other.

In: the fields of a `Design`. Out: one frozen `Study`, or a validation error that lists
every contradiction with its place. The rules themselves are in `study.consistency`.
"""

from typing import Self

from pydantic import PrivateAttr, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from invariance_probe.study.consistency import disagreements
from invariance_probe.study.design import Design
from invariance_probe.study.origin import Origin


class Study(Design):
    """A complete study, whose parts agree with each other.

    It is read from a file (`load_study`) or made in Python, and every later stage starts
    from it. Its fields accept lists and plain dictionaries, as in YAML.
    """

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Where the study was written; not part of the study's value."""
        return self._origin

    def written_in(self, origin: Origin) -> Self:
        """Return the same study with another origin."""
        study = self.model_copy()
        study._origin = origin
        return study

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        details = [
            InitErrorDetails(
                type=PydanticCustomError("study", "{reason}", {"reason": reason}),
                loc=place,
                input=got,
            )
            for place, got, reason in disagreements(self)
        ]
        if details:
            raise ValidationError.from_exception_data("Study", details)
        return self
