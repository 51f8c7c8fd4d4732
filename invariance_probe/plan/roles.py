"""The types of runs, one per role: models, baselines, measurements, examinations.

Each type has the fields of its role. A run is written as plain JSON data with the same
names in all roles, and null where its type has no value; so keys do not depend on the
type. What is read back gets its type from its method and its examination. Nothing is
trained or measured here.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from invariance_probe.plan.conditions import Condition
from invariance_probe.plan.run import Run
from invariance_probe.study.baselines import (
    AnyDecoder,
    AnyMeasurement,
    Code,
    SessionNull,
    Supervised,
)
from invariance_probe.study.declaration import MethodDeclaration, added, members
from invariance_probe.study.examinations import Comparison, Corruption, Detection, Examination
from invariance_probe.study.methods import (
    GradientMethod,
    LinearSSL,
    Method,
    OwnMethod,
    Reliance,
)
from invariance_probe.study.session import Companions, OtherSession
from invariance_probe.study.training import Optimisation
from invariance_probe.study.views import Views


class SessionMeasurement(Run):
    """A measurement of a whole session: a null, a test of the folds, the code."""

    fold: None = None
    method: Annotated[AnyMeasurement, Field(discriminator="kind")]
    views: Views | None = None
    """Views whose time jitter sets the lags of `persistence`; None for all others."""
    optimisation: None = None

    def drawn_views(self) -> tuple[Views, ...]:
        """The corruptions under which `code` measures decoding."""
        corruptions = self.method.corruptions if isinstance(self.method, Code) else ()
        return tuple(corruption.views for corruption in corruptions)

    def others(self) -> tuple[OtherSession, ...]:
        """The sessions that lend a null their targets."""
        return self.method.others if isinstance(self.method, SessionNull) else ()


class FoldRun(Run):
    """A run that fits something on the training windows of one fold."""

    fold: int
    """Index of the fold."""
    views: Views | None
    """The views at this dose; None if inputs are shown as they are."""
    optimisation: Optimisation | None
    """How a network is trained; None if none is trained by gradient descent."""

    @property
    def condition(self) -> Condition:
        """The run's condition, with default views where the run has none."""
        return Condition(self.views or Views(), self.axis, self.dose, self.arm, self.fraction)

    def drawn_views(self) -> tuple[Views, ...]:
        """The views at this dose, if the run has any."""
        return () if self.views is None else (self.views,)


class DecoderBaseline(FoldRun):
    """A decoder of activity, or of a representation that no gradient trained."""

    method: Annotated[AnyDecoder, Field(discriminator="kind")]
    views: None = None
    optimisation: None = None


class ClosedFormModel(FoldRun):
    """A linear SSL model, which is computed in closed form."""

    method: LinearSSL
    views: Views
    optimisation: None = None


class GradientRun(FoldRun):
    """A run that trains a network by gradient descent."""

    views: Views
    optimisation: Optimisation

    @property
    def steps(self) -> int:
        """Number of update steps."""
        return self.optimisation.steps

    @property
    @abstractmethod
    def trained_method(self) -> GradientMethod | Supervised:
        """The method by which the network is trained."""

    def own_method(self) -> OwnMethod | None:
        """The method of the network, if it is user-defined."""
        return self.trained_method if isinstance(self.trained_method, OwnMethod) else None


class TrainedModel(GradientRun):
    """An SSL model that is trained by gradient descent."""

    method: Annotated[GradientMethod, Field(discriminator="kind")]
    companions: Companions | None = added(None)
    """Other sessions whose windows the model also trains on.

    None if it trains on its own session alone.
    """

    @property
    def trained_method(self) -> GradientMethod:
        """The SSL method."""
        return self.method

    def others(self) -> tuple[OtherSession, ...]:
        """The sessions that the model also trains on."""
        return self.companions.sessions if self.companions else ()


class SupervisedBaseline(GradientRun):
    """A network that is trained on the target."""

    method: Supervised

    @property
    def trained_method(self) -> Supervised:
        """The method, which reads the target."""
        return self.method


class RelianceMeasurement(GradientRun):
    """A measurement of the units that an SSL model relies on, which it trains."""

    method: Reliance

    @property
    def trained_method(self) -> GradientMethod:
        """The SSL method of the models."""
        assert not isinstance(self.method.of, LinearSSL)  # its declaration refuses it
        return self.method.of

    def model(self) -> TrainedModel:
        """Return the run of the SSL model whose loss is attacked."""
        return TrainedModel.model_construct(**{**self.__dict__, "method": self.trained_method})


SSLModel = ClosedFormModel | TrainedModel
"""A run whose encoder can be stored and examined."""


class EncoderExamination(FoldRun):
    """An examination of an SSL model whose encoder is stored; nothing is trained.

    All fields but `examination` are those of the run that trained the model, so that
    both have one train key.
    """

    method: Method
    views: Views
    optimisation: Optimisation | None
    """Optimisation of the model; None if it was computed in closed form."""
    companions: Companions | None = added(None)
    """Other sessions that the model was also trained on."""
    examination: Examination
    """What is measured on the encoder."""

    @classmethod
    def of(cls, model: SSLModel, examination: Examination) -> "EncoderExamination":
        """Examine the encoder of a model."""
        return cls.model_construct(**model.__dict__, examination=examination)

    def model(self) -> SSLModel:
        """Return the run that trains the encoder."""
        kind = ClosedFormModel if isinstance(self.method, LinearSSL) else TrainedModel
        own = {name: value for name, value in self.__dict__.items() if name in kind.model_fields}
        return kind.model_construct(**own)

    def reference(self) -> SSLModel | None:
        """Return the dose-0 run with whose encoder this one is compared.

        Returns
        -------
        model
            None if the examination of this run is not a comparison.
        """
        if not isinstance(self.examination, Comparison):
            return None
        views = self.views.at(self.axis, self.views.doses()[self.axis]) if self.axis else self.views
        clean = {
            "views": views,
            "axis": "",
            "dose": 0.0,
            "arm": "none",
            "seed": self.examination.seed,
        }
        return self.model().model_copy(update=clean)

    def drawn_views(self) -> tuple[Views, ...]:
        """The corruption under which the encoder is examined, if there is one."""
        examined = self.examination
        return (examined.inputs,) if isinstance(examined, Corruption | Detection) else ()

    def others(self) -> tuple[OtherSession, ...]:
        """The sessions that the model was also trained on."""
        return self.companions.sessions if self.companions else ()


ROLES: dict[str, type[Run]] = {
    declared.model_fields["kind"].default: role
    for role in (
        SessionMeasurement, DecoderBaseline, ClosedFormModel, TrainedModel, SupervisedBaseline,
        RelianceMeasurement,
    )
    for declared in members(role.model_fields["method"].annotation, MethodDeclaration)
}  # fmt: skip
"""The type of the runs of each kind of method, other than examinations."""


def read_run(data: Mapping[str, Any], context: dict[str, Any] | None = None) -> Run:
    """Read a run that was written as plain JSON data.

    Parameters
    ----------
    data
        What `model_dump(mode="json")` of a run returned, in this version or an earlier one.
    context
        Validation context, such as the folder of the arrays of a study in Python.

    Raises
    ------
    pydantic.ValidationError
        When the data are not those of a run of its role.
    """
    role = EncoderExamination if "examination" in data else ROLES[data["method"]["kind"]]
    return role.model_validate(data, context=context)
