"""Tools whose arguments are a pydantic model: one definition for the schema and the check."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from airboss.ports.tools import ToolContext, ToolError

# The names of what does not fit are the model's own, as many and as long as it likes.
_MAX_PROBLEMS = 5
_MAX_NAME_CHARACTERS = 80


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
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(map(str, problem['loc']))[:_MAX_NAME_CHARACTERS] or 'arguments'}: {problem['msg']}"
        for problem in problems[:_MAX_PROBLEMS]
    ]
    if len(problems) > _MAX_PROBLEMS:
        told.append(f"and {len(problems) - _MAX_PROBLEMS} more")
    return "the arguments do not fit: " + "; ".join(told)
