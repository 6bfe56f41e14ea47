"""Tools whose arguments are a pydantic model: one definition for the schema and the check."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from airboss.ports.tools import ToolContext, ToolError


class Arguments(BaseModel):
    """Nothing is coerced and nothing unnamed is allowed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


A = TypeVar("A", bound=Arguments)


class TypedTool(Generic[A]):
    """Checks the arguments, then calls `run`."""

    name: ClassVar[str]
    description: ClassVar[str]
    arguments: type[A]
    repeatable: ClassVar[bool]

    @property
    def parameters(self) -> Mapping[str, Any]:
        schema = self.arguments.model_json_schema()
        schema.pop("title", None)
        schema.pop("description", None)
        return schema

    async def call(self, context: ToolContext, arguments: Mapping[str, Any]) -> Any:
        try:
            checked = self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise ToolError("invalid_arguments", _advice(error)) from None
        return await self.run(context, checked)

    async def run(self, context: ToolContext, arguments: A) -> Any:
        raise NotImplementedError


def _advice(error: ValidationError) -> str:
    problems = (
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return "the arguments do not fit: " + "; ".join(problems)
