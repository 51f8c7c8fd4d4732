"""The study: a design whose fields are checked against each other.

In: the fields of a `Design`. Out: one frozen `Study`, or a validation error that lists
every contradiction with its place. The rules themselves are in `study.consistency`.
"""

from typing import Self

from pydantic import ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from invariance_probe.study.consistency import disagreements
from invariance_probe.study.design import Design


class Study(Design):
    """A whole, checked study.

    `load_study` returns it, and every later stage starts from it.
    """

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
