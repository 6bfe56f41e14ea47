"""A model's answer as the journal keeps it."""

from openai.types.responses import Response
from pydantic import BaseModel

from airboss.domain.jobs import AnsweredBy


class KeptAnswer(BaseModel):
    """`text_characters` is how much text went out as deltas before it was whole."""

    response: Response
    provider: str
    model: str
    text_characters: int

    @property
    def answered_by(self) -> AnsweredBy:
        return AnsweredBy(self.provider, self.model)
