"""What is wrong with a model, in one kind of error."""

from __future__ import annotations

from lianfang.kernel.errors import InputError


class ModelError(InputError):
    """A model that cannot be scored here: what is wrong with it, where, and what would be right."""

    code = "invalid-model"
