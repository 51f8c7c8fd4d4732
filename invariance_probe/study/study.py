"""The study: a design whose fields agree with each other, as one frozen value."""

from typing import Self

from pydantic import ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from invariance_probe.study.consistency import disagreements
from invariance_probe.study.design import Design


class Study(Design):
    """A whole study, resolved: what `load_study` returns and what every stage starts from."""

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
