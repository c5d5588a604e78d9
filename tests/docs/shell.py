"""Commands in the text of a shell."""

import re
import shlex
from collections.abc import Iterator

CONTINUED = re.compile(r"\\\n\s*")
COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)
REDIRECTION = re.compile(r"\d?>>?\s*(&\d|\S+)|<<?<?-?\s*\S+")
ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)
PREFIXES = {"$", "do", "exec", "if", "sudo", "then", "time", "!"}
OMITTED = {"…", "..."}


def commands(text: str, program: str) -> Iterator[list[str]]:
    """Return the arguments of each call of a program, without redirections."""
    text = REDIRECTION.sub(" ", COMMENT.sub("", CONTINUED.sub(" ", text)))
    for command in _simple_commands(text):
        words = list(command)
        while words and (words[0] in PREFIXES or ASSIGNMENT.fullmatch(words[0])):
            words.pop(0)
        if words and words[0].rpartition("/")[2] == program:
            yield [word for word in words[1:] if word not in OMITTED]


def _simple_commands(text: str) -> Iterator[list[str]]:
    """Split at operators and at the ends of lines. Text that is no shell is split at white space."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    try:
        for word in lexer:
            if set(word) <= set(";&|()\n"):
                yield words
                words = []
            else:
                words.append(word)
    except ValueError:  # a quote without its end, as in prose
        yield from (line.split() for line in text.splitlines())
    yield words
