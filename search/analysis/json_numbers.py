"""Numbers as JSON has them: it knows neither NaN nor infinity, and null stands for both."""

import math
from collections.abc import Mapping
from typing import Any


def finite_object(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same object with null for numbers that JSON does not know."""
    return {str(key): finite(value) for key, value in content.items()}


def finite(content: Any) -> Any:
    """Return content with null for numbers that JSON does not know."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return finite_object(content)
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return content
