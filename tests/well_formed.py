"""Whether LaTeX and Markdown are well-formed, as far as that can be seen without a compiler."""

import re

_PAIRS = {"{": "}", "\\left": "\\right", "$": "$"}
_TOKEN = re.compile(r"\\(?:begin|end)\{[a-z*]+\}|\\[A-Za-z]+|\\.|.", re.DOTALL)


def check_latex(text: str) -> None:
    """Assert that braces, brackets, environments and dollars are in pairs, and that nothing special stands alone."""
    stack: list[str] = []
    previous = ""
    for token in _TOKEN.findall(text):
        if token.startswith("\\begin"):
            stack.append(token[6:])
        elif token.startswith("\\end"):
            assert stack, f"{token} ends nothing"
            assert stack.pop() == token[4:], f"{token} ends something else"
        elif token == "$" and stack and stack[-1] == "$":
            stack.pop()
        elif token in _PAIRS:
            stack.append(token)
        elif token in _PAIRS.values():
            assert stack, f"{token} closes nothing"
            assert _PAIRS.get(stack.pop()) == token, f"{token} closes something else"
        else:
            assert token not in "%#", f"{token} has a meaning of its own"
            assert not (token in "_^" and previous in ("_", "^", "")), "an index of nothing"
        if token == "^":
            assert previous != "^digit", "two powers"
        previous = "^digit" if previous == "^" and token not in "{" else token
    assert not stack, f"{stack[-1]} is never closed"
